// Before the first paint, so that a dark page does not begin white. A file of its own: the policy allows no inline script.
;(() => {
  let chosen = 'system'
  try {
    chosen = JSON.parse(localStorage.getItem('webhooks.preferences') ?? '{}').theme ?? 'system'
  } catch {}
  // A link to a tenant's own page may name the theme of the page around it.
  if (location.hash.startsWith('#token='))
    chosen = new URLSearchParams(location.search).get('theme') ?? chosen
  const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
})()
