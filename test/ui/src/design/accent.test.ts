import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accentFor, contrast, rgbOf } from '../../../../ui/src/design/accent.ts'

const grounds = { light: ['#ffffff', '#f1f1f4'], dark: ['#0d0f13', '#212534'] } as const
const between = (one: string, other: string) => contrast(rgbOf(one), rgbOf(other))

test('contrast is that of WCAG', () => {
  assert.equal(between('#000000', '#ffffff'), 21)
  assert.ok(Math.abs(between('#777777', '#ffffff') - 4.48) < 0.01)
})

test('any accent can be read on both themes, as text and as a button', () => {
  const parts = ['00', '40', '80', 'c0', 'ff']
  const colours = parts.flatMap(red => parts.flatMap(green => parts.map(blue => `#${red}${green}${blue}`)))
  for (const colour of colours) {
    for (const theme of ['light', 'dark'] as const) {
      const { text, fill, fillHover, onFill } = accentFor(colour, theme)
      for (const ground of grounds[theme]) {
        assert.ok(between(text, ground) >= 4.49, `${colour} as text ${text} in ${theme}`)
        assert.ok(between(fill, ground) >= 2.9, `${colour} as a button ${fill} in ${theme}`)
      }
      assert.ok(between(onFill, fill) >= 4.5, `${onFill} on ${fill}`)
      assert.ok(between(onFill, fillHover) >= 4.5, `${onFill} on ${fillHover}`)
    }
  }
})

test('an accent that can be read stays as it was given', () => {
  const { text, fill, onFill } = accentFor('#0055ff', 'light')
  assert.deepEqual([text, fill, onFill], ['#0055ff', '#0055ff', '#ffffff'])
  assert.equal(accentFor('#ffdd00', 'dark').fill, '#ffdd00')
})
