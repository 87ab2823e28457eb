/** In which forms a subscription can get its events; what each does is in `src/deliver/formats.ts`. */
export const formats = ['raw', 'slack'] as const
export type Format = (typeof formats)[number]
