/** A template with values in it; what has no value stays as it is written, and the service says what is wrong with it. */
export function filled(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{\{|\}\}|\{([^{}]*)\}/g, (part, name: string | undefined) => {
    if (part === '{{' || part === '}}') return part.slice(1)
    if (name === undefined) return part
    return values[name] ?? (name.startsWith('metadata.') ? `‹${name}›` : part)
  })
}
