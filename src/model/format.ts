/** In which forms a subscription can get its events; what each does is in `src/deliver/formats.ts`. */
export const formats = ['raw', 'cloudevents-structured', 'cloudevents-binary', 'slack'] as const
export type Format = (typeof formats)[number]
