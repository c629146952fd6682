/** Calls that act in a page: `browser.open`, `browser.click`, `browser.type`, `browser.act`. */
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { type BrowserAction, type CallContext, defineCall, type Done, evident } from '../../protocol/index.ts'
import {
  browserActMs,
  browserChangeBytes,
  browserOpenMs,
  browserPageBytes,
  maxKeyCharacters,
  maxOptions,
  maxTypedCharacters,
  maxUrlCharacters,
} from '../limits.ts'
import { askBrowser, doing, pageOutput, pageText, refArgument, tabArgument, toOutput } from './browser-page.ts'
import type { PageOutput } from './browser-page.ts'

const acceptArgument = z.boolean().default(false).describe('Answer OK if the page asks for confirmation; otherwise the answer is Cancel.')

export const browserOpen = defineCall({
  ...doing,
  name: 'browser.open',
  does: [],
  labels: { ...doing.labels, loads: true },
  // The page may lead elsewhere, at once or with a click.
  goesTo: 'anywhere',
  summary: 'Opens a web page and lists its elements, each with a ref (e5) to act on. To only read, use web_fetch.',
  input: z.strictObject({
    url: z.string().min(1).max(maxUrlCharacters).describe('With http:// or https://. Do not include private data.'),
    tab: tabArgument,
    new_tab: z.boolean().default(false).meta(evident('Open the page in a new tab.')),
  }),
  output: pageOutput,
  example: { url: 'https://example.com/', tab: '', new_tab: false },
  timeoutMs: browserOpenMs,
  async run({ url, tab, new_tab: newTab }, context) {
    const view = await askBrowser(context, 'browserOpen', { url, tab, newTab, maxBytes: browserPageBytes }, browserOpenMs)
    const output = toOutput(view)
    return { output, text: pageText(output), ok: view.status === null || view.status < 400 }
  },
})

export const browserClick = defineCall({
  ...doing,
  name: 'browser.click',
  summary: 'Clicks an element of the page and shows what changed.',
  input: z.strictObject({
    ref: refArgument,
    tab: tabArgument,
    button: z.enum(['left', 'right', 'middle']).default('left').meta(evident('Mouse button.')),
    double: z.boolean().default(false).meta(evident('Click twice.')),
    accept_dialogs: acceptArgument,
  }),
  output: pageOutput,
  example: { ref: 'e5', tab: '', button: 'left', double: false, accept_dialogs: false },
  timeoutMs: browserActMs,
  run: ({ ref, tab, button, double, accept_dialogs: accept }, context) => act(context, tab, { kind: 'click', ref, button, double }, accept),
})

export const browserType = defineCall({
  ...doing,
  name: 'browser.type',
  summary: 'Types text into a field of the page, replacing its content, and shows what changed.',
  input: z.strictObject({
    ref: refArgument,
    text: z.string().max(maxTypedCharacters).meta(evident('Text to type. It is sent to the site.')),
    tab: tabArgument,
    append: z.boolean().default(false).describe('Type behind the content of the field, key by key.'),
    submit: z.boolean().default(false).meta(evident('Press Enter after the text.')),
    accept_dialogs: acceptArgument,
  }),
  output: pageOutput,
  example: { ref: 'e5', text: 'oxen', tab: '', append: false, submit: true, accept_dialogs: false },
  timeoutMs: browserActMs,
  run: ({ ref, text, tab, append, submit, accept_dialogs: accept }, context) =>
    act(context, tab, { kind: 'type', ref, text, append, submit }, accept),
})

type Kind = 'press' | 'select' | 'hover' | 'scroll' | 'back' | 'forward' | 'reload'

type ActInput = z.infer<typeof actInput>

const actInput = z.strictObject({
  action: z.enum(['press', 'select', 'hover', 'scroll', 'back', 'forward', 'reload']).meta(evident('Action to perform.')),
  tab: tabArgument,
  ref: refArgument.default('').describe('Element. Required for select and hover; for press and scroll, empty means the page.'),
  key: z.string().max(maxKeyCharacters).default('').describe('press: Enter, Escape, Tab, ArrowDown, a, Control+a …'),
  options: z.array(z.string().max(1_000)).max(maxOptions).default([]).describe('select: values or labels of the options to choose.'),
  direction: z.enum(['down', 'up']).default('down').describe('scroll: by one screen.'),
  accept_dialogs: acceptArgument,
})

export const browserAct = defineCall({
  ...doing,
  name: 'browser.act',
  summary: 'Presses a key, selects options, hovers, scrolls, goes back or forward, or reloads; shows what changed.',
  input: actInput,
  output: pageOutput,
  example: { action: 'press', tab: '', ref: '', key: 'Escape', options: [], direction: 'down', accept_dialogs: false },
  timeoutMs: browserActMs,
  run: (input, context) => act(context, input.tab, toAction(input), input.accept_dialogs),
})

/** @throws OxbowError `bad_input` when an argument that the action needs is missing */
function toAction({ action, ref, key, options, direction }: ActInput): BrowserAction {
  switch (action) {
    case 'press':
      if (key === '') throw needs('press', 'key', 'Enter')
      return { kind: action, ref, key }
    case 'select':
      if (ref === '') throw needs('select', 'ref', 'e5')
      return { kind: action, ref, values: options }
    case 'hover':
      if (ref === '') throw needs('hover', 'ref', 'e5')
      return { kind: action, ref }
    case 'scroll':
      return { kind: action, ref, direction }
    case 'back':
    case 'forward':
    case 'reload':
      break
  }
  return { kind: action }
}

function needs(action: Kind, part: string, example: string): OxbowError {
  return new OxbowError('bad_input', `${action} needs ${part}.`, { hint: `Pass ${part}, e.g. "${example}".` })
}

async function act(context: CallContext, tab: string, action: BrowserAction, acceptDialogs: boolean): Promise<Done<PageOutput>> {
  const view = await askBrowser(context, 'browserAct', { tab, action, acceptDialogs, maxBytes: browserChangeBytes }, browserActMs)
  const output = toOutput(view)
  return { output, text: pageText(output) }
}
