const style = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
  pre { padding: .75rem 1rem; overflow-x: auto; border: 1px solid #8885; border-radius: .4rem }
  code { font: .9em ui-monospace, monospace }
`

/** The policy of pages without scripts. Their only picture is an empty icon, else browsers ask for /favicon.ico. */
export const pagePolicy =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** A whole HTML page. `body` is HTML and is not escaped: it must hold nothing from a request. */
export function page(title: string, body: string, styles: string = style): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${styles}</style>
</head>
<body>
${body}
</body>
</html>
`
}
