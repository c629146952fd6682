/** Colours, for dark and light backgrounds and for none. Mostly the sixteen that people set up in their terminal, so that they fit it. */
import type { ThemeName } from '../state.ts'

export type Style = (text: string) => string

/** Styles by meaning; the plain one leaves text unchanged. */
export interface Theme {
  readonly name: ThemeName
  readonly bold: Style
  readonly italic: Style
  readonly underline: Style
  readonly strike: Style
  /** Marks what is found or chosen. */
  readonly inverse: Style
  readonly muted: Style
  readonly accent: Style
  readonly error: Style
  readonly warning: Style
  readonly ok: Style
  readonly code: Style
  readonly link: Style
  /** Behind the messages of the person. */
  readonly band: Style
  readonly added: Style
  readonly removed: Style
  /** By the scope that the highlighter names. */
  readonly syntax: Readonly<Record<string, Style>>
}

const sgr =
  (open: string, close: string): Style =>
  (text) =>
    text === '' ? '' : `\u001b[${open}m${text}\u001b[${close}m`
const foreground = (code: string): Style => sgr(code, '39')
const same: Style = (text) => text

const attributes = {
  bold: sgr('1', '22'),
  italic: sgr('3', '23'),
  underline: sgr('4', '24'),
  strike: sgr('9', '29'),
  inverse: sgr('7', '27'),
}

const plain: Theme = {
  ...attributes,
  name: 'plain',
  muted: same,
  accent: attributes.bold,
  error: attributes.bold,
  warning: attributes.bold,
  ok: same,
  code: same,
  link: attributes.underline,
  band: same,
  added: same,
  removed: same,
  syntax: {},
}

interface Palette {
  readonly muted: string
  readonly band: string
  readonly added: string
  readonly removed: string
  readonly blue: string
  readonly cyan: string
  readonly green: string
  readonly magenta: string
  readonly red: string
  readonly yellow: string
}

function coloured(name: ThemeName, palette: Palette): Theme {
  const muted = foreground(palette.muted)
  const [blue, cyan, green] = [foreground(palette.blue), foreground(palette.cyan), foreground(palette.green)]
  const [magenta, red, yellow] = [foreground(palette.magenta), foreground(palette.red), foreground(palette.yellow)]
  return {
    ...attributes,
    name,
    muted,
    accent: cyan,
    error: red,
    warning: yellow,
    ok: green,
    code: cyan,
    link: (text) => attributes.underline(blue(text)),
    band: sgr(palette.band, '49'),
    added: sgr(palette.added, '49'),
    removed: sgr(palette.removed, '49'),
    syntax: {
      keyword: magenta,
      built_in: cyan,
      type: cyan,
      literal: yellow,
      number: yellow,
      string: green,
      regexp: green,
      symbol: yellow,
      comment: (text) => attributes.italic(muted(text)),
      doctag: muted,
      meta: muted,
      title: blue,
      function: blue,
      class: blue,
      attr: blue,
      attribute: blue,
      property: blue,
      name: magenta,
      'selector-tag': magenta,
      section: blue,
      variable: red,
      'template-variable': red,
      addition: green,
      deletion: red,
      bullet: yellow,
      link: attributes.underline,
    },
  }
}

const themes: Readonly<Record<ThemeName, Theme>> = {
  plain,
  dark: coloured('dark', {
    muted: '38;5;245',
    band: '48;5;236',
    added: '48;5;22',
    removed: '48;5;52',
    blue: '94',
    cyan: '96',
    green: '92',
    magenta: '95',
    red: '91',
    yellow: '93',
  }),
  // The bright colours cannot be read on white.
  light: coloured('light', {
    muted: '38;5;242',
    band: '48;5;254',
    added: '48;5;194',
    removed: '48;5;224',
    blue: '34',
    cyan: '38;5;30',
    green: '38;5;28',
    magenta: '35',
    red: '31',
    yellow: '38;5;130',
  }),
}

/** @returns the styles of a theme */
export function themeOf(name: ThemeName): Theme {
  return themes[name]
}

/** @param env `NO_COLOR` of any value turns colours off; `COLORFGBG` tells the background where the terminal sets it */
export function firstTheme(env: Readonly<Record<string, string | undefined>>): ThemeName {
  if ((env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb') return 'plain'
  const background = Number((env['COLORFGBG'] ?? '').split(';').at(-1) || Number.NaN)
  return background === 7 || background >= 9 ? 'light' : 'dark'
}
