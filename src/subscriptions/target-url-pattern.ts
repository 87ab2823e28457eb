/** Scheme, host and port of an address that can be delivered to, and what may follow. `parseTargetUrl` asks for more. */
export const targetUrlPattern = `^[Hh][Tt][Tt][Pp][Ss]?://(\\[[0-9A-Fa-f:.]+\\]|[^\\u0000-,/:-@\\[-^\`{-\\u00a0]+)(:[0-9]{0,5})?([/?][^\\s\\u0000-\\u0020\\u007f-\\u009f#\\\\]*)?$`
