/** The colours of one theme that come from the accent, as CSS takes them. */
export interface Accent {
  /** Of links and what is chosen: as text on the page. */
  readonly text: string
  /** Of the one primary button, and the same under the pointer. */
  readonly fill: string
  readonly fillHover: string
  /** Text on these. */
  readonly onFill: string
}

/** sRGB, each part from 0 to 1. */
type Rgb = readonly [red: number, green: number, blue: number]
/** Oklch: lightness from 0 to 1, chroma, hue in radians. */
type Lch = readonly [lightness: number, chroma: number, hue: number]

/** The ground on which the accent is read worst: of the light theme the darkest, of the dark theme the lightest. */
const grounds: Readonly<Record<'light' | 'dark', Rgb>> = {
  light: [0.93, 0.93, 0.94],
  dark: [0.16, 0.165, 0.21],
}
const white: Rgb = [1, 1, 1]
const ink: Rgb = [0.07, 0.08, 0.11]

/** WCAG 2.2, 1.4.3 for text and 1.4.11 for what is to be seen as a control. */
const textContrast = 4.5
const controlContrast = 3

/**
 * The accent that somebody chose, made readable: its hue, and the lightness nearest to theirs with which text is 4.5 : 1 on
 * the page, and a button 3 : 1 with 4.5 : 1 of text on it.
 *
 * @param hex such as `#0055ff`
 */
export function accentFor(hex: string, theme: 'light' | 'dark'): Accent {
  const given = lchOf(rgbOf(hex))
  const ground = grounds[theme]
  const text = nearest(given, colour => contrast(colour, ground) >= textContrast)
  const fill = nearest(
    given,
    colour => contrast(colour, ground) >= controlContrast && readable(colour) !== undefined,
  )
  const fillRgb = rgbFrom(fill)
  const onFill = readable(fillRgb) ?? white
  // Away from the text on it, so that it is read even better.
  const hover: Lch = [fill[0] + (onFill === white ? -0.06 : 0.06), fill[1], fill[2]]
  return {
    text: hexOf(rgbFrom(text)),
    fill: hexOf(fillRgb),
    fillHover: hexOf(rgbFrom(hover)),
    onFill: hexOf(onFill),
  }
}

/** White where it can be read on a colour, else ink; undefined: neither can. */
function readable(colour: Rgb): Rgb | undefined {
  return [white, ink].find(text => contrast(text, colour) >= textContrast)
}

const stepsOfLightness = 200

/** The colour of this hue with the lightness nearest to the given one that is good. */
function nearest([lightness, chroma, hue]: Lch, isGood: (colour: Rgb) => boolean): Lch {
  for (let step = 0; step <= stepsOfLightness; step++) {
    for (const sign of [-1, 1]) {
      const tried: Lch = [lightness + (sign * step) / stepsOfLightness, chroma, hue]
      if (tried[0] >= 0 && tried[0] <= 1 && isGood(rounded(rgbFrom(tried)))) return tried
    }
  }
  return [lightness, chroma, hue]
}

/** As a screen shows it: a check of what is never shown could be wrong by a hair. */
function rounded(colour: Rgb): Rgb {
  return rgbOf(hexOf(colour))
}

/** The contrast of two colours, from 1 to 21 (WCAG 2.2). */
export function contrast(one: Rgb, other: Rgb): number {
  const [a, b] = [luminance(one), luminance(other)]
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
}

function luminance(colour: Rgb): number {
  const [red, green, blue] = linear(colour)
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

export function rgbOf(hex: string): Rgb {
  const part = (at: number) => Number.parseInt(hex.slice(at, at + 2), 16) / 255
  return [part(1), part(3), part(5)]
}

function hexOf(colour: Rgb): string {
  const parts = colour.map(part =>
    Math.round(part * 255)
      .toString(16)
      .padStart(2, '0'),
  )
  return `#${parts.join('')}`
}

function linear(colour: Rgb): Rgb {
  const of = (part: number) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  return [of(colour[0]), of(colour[1]), of(colour[2])]
}

function gamma(part: number): number {
  return part <= 0.0031308 ? part * 12.92 : 1.055 * part ** (1 / 2.4) - 0.055
}

/** https://www.w3.org/TR/css-color-4/#color-conversion-code */
function lchOf(colour: Rgb): Lch {
  const [red, green, blue] = linear(colour)
  const l = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
  const m = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
  const s = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
  const lightness = 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s
  const a = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s
  const b = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s
  return [lightness, Math.hypot(a, b), Math.atan2(b, a)]
}

/** With less chroma where a screen has no such colour. */
function rgbFrom([lightness, chroma, hue]: Lch): Rgb {
  for (let part = 1; part > 0; part -= 0.05) {
    const found = plainRgb([lightness, chroma * part, hue])
    if (found.every(value => value >= -0.001 && value <= 1.001)) return clamped(found)
  }
  return clamped(plainRgb([lightness, 0, hue]))
}

function clamped(colour: Rgb): Rgb {
  const of = (part: number) => Math.min(1, Math.max(0, part))
  return [of(colour[0]), of(colour[1]), of(colour[2])]
}

function plainRgb([lightness, chroma, hue]: Lch): Rgb {
  const [a, b] = [chroma * Math.cos(hue), chroma * Math.sin(hue)]
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ]
}
