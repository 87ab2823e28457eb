/** Stands where a secret is, wherever it is not shown. Sent back, it means: keep the one there is. */
export const secretMask = '********'
