/** Calls that look: a page as elements (`browser.snapshot`), as text or as a picture, the open tabs, and downloads. */
import { z } from 'zod'
import { plural } from '../../base/index.ts'
import { type BrowserDownload, defineCall, evident, pictureCall } from '../../protocol/index.ts'
import { browserGraceMs, browserLookMs, browserPageBytes, maxDownloadWaitSeconds, maxTreeDepth } from '../limits.ts'
import { pictureLine, readPicture } from '../media/picture.ts'
import { withoutHidden } from '../web/decode-text.ts'
import { askBrowser, looking, pageOutput, pageText, refArgument, tabArgument, toOutput } from './browser-page.ts'

const fromArgument = z.int().min(0).default(0).describe('Byte at which to continue the last answer, as it states. 0: look again.')

export const browserSnapshot = defineCall({
  ...looking,
  name: 'browser.snapshot',
  summary: 'Shows the page as a tree of elements, each with a ref (e5) for browser_click and browser_type.',
  input: z.strictObject({
    tab: tabArgument,
    ref: refArgument.default('').meta(evident('Show only this element and its descendants.')),
    depth: z.int().min(0).max(maxTreeDepth).default(0).meta(evident('Maximum number of levels to show. 0: all.')),
    changes: z.boolean().default(false).describe('Show only what was added, changed or removed since the last look.'),
    from_byte: fromArgument,
  }),
  output: pageOutput,
  example: { tab: '', ref: '', depth: 0, changes: false, from_byte: 0 },
  timeoutMs: browserLookMs,
  async run({ tab, ref, depth, changes, from_byte: fromByte }, context) {
    const as = changes ? 'changes' : 'tree'
    const view = await askBrowser(context, 'browserLook', { tab, as, ref, depth, fromByte, maxBytes: browserPageBytes }, browserLookMs)
    const output = toOutput(view)
    return { output, text: pageText(output) }
  },
})

export const browserText = defineCall({
  ...looking,
  name: 'browser.text',
  summary: 'Shows the visible text of the page, in parts.',
  input: z.strictObject({
    tab: tabArgument,
    ref: refArgument.default('').meta(evident('Show only the text of this element.')),
    from_byte: fromArgument,
  }),
  output: pageOutput,
  example: { tab: '', ref: '', from_byte: 0 },
  timeoutMs: browserLookMs,
  async run({ tab, ref, from_byte: fromByte }, context) {
    const look = { tab, as: 'text', ref, depth: 0, fromByte, maxBytes: browserPageBytes } as const
    const output = toOutput(await askBrowser(context, 'browserLook', look, browserLookMs))
    return { output, text: pageText(output) }
  },
})

export const browserScreenshot = defineCall({
  ...looking,
  name: pictureCall,
  summary: 'Takes a screenshot of the page, shows it and saves it as a new PNG file in /tmp/screenshots.',
  input: z.strictObject({
    tab: tabArgument,
    ref: refArgument.default('').meta(evident('Capture only this element.')),
    full_page: z.boolean().default(false).describe('The whole page, up to 8 000 pixels high, instead of the visible part.'),
  }),
  output: z.strictObject({
    tab: z.string(),
    url: z.string(),
    path: z.string(),
    bytes: z.int(),
    width: z.int(),
    height: z.int(),
    notes: z.array(z.string()),
  }),
  example: { tab: '', ref: '', full_page: false },
  timeoutMs: browserLookMs,
  async run({ tab: requestedTab, ref, full_page: fullPage }, context) {
    const picture = await askBrowser(context, 'browserPicture', { tab: requestedTab, ref, fullPage }, browserLookMs)
    const { tab, url, path, bytes, width, height, notes } = picture
    const shown = await readPicture(path, 'browser', context)
    const seen =
      typeof shown === 'string' ? `${path} (${width} × ${height}, ${bytes} bytes) cannot be shown. ${shown}` : pictureLine(path, shown)
    const text = withoutHidden([seen, `tab ${tab}: ${url}`, ...notes.map((note) => `* ${note}`)].join('\n'))
    const files = typeof shown === 'string' ? {} : { files: [shown.file] }
    return { output: { tab, url, path, bytes, width, height, notes: [...notes] }, text, ...files }
  },
})

export const browserTabs = defineCall({
  ...looking,
  name: 'browser.tabs',
  summary: 'Lists the open tabs of this conversation, selects one, or closes one.',
  input: z.strictObject({
    action: z.enum(['list', 'select', 'close']).default('list').meta(evident('Action to perform before the tabs are listed.')),
    tab: tabArgument,
  }),
  output: z.strictObject({
    tabs: z.array(z.strictObject({ tab: z.string(), current: z.boolean(), url: z.string(), title: z.string() })),
  }),
  example: { action: 'list', tab: '' },
  timeoutMs: browserLookMs,
  async run({ action, tab }, context) {
    const { tabs } = await askBrowser(context, 'browserTabs', { action, tab }, browserLookMs)
    const lines = tabs.map((each) => `${each.tab}${each.current ? ' (current)' : ''}: ${each.url} (${each.title})`)
    return { output: { tabs }, text: lines.length === 0 ? 'No tab is open.' : withoutHidden(lines.join('\n')) }
  },
})

export const browserDownload = defineCall({
  ...looking,
  name: 'browser.download',
  summary: 'Lists the files that this conversation has downloaded to /tmp/downloads; waits for running downloads.',
  input: z.strictObject({
    wait_s: z.int().min(0).max(maxDownloadWaitSeconds).default(10).meta(evident('Maximum seconds to wait for running downloads.')),
  }),
  output: z.strictObject({
    downloads: z.array(
      z.strictObject({
        path: z.string(),
        url: z.string(),
        bytes: z.int(),
        state: z.enum(['running', 'done', 'failed']),
        problem: z.string(),
      }),
    ),
  }),
  example: { wait_s: 10 },
  timeoutMs: maxDownloadWaitSeconds * 1000 + 2 * browserGraceMs,
  async run({ wait_s: seconds }, context) {
    const timeoutMs = seconds * 1000 + 2 * browserGraceMs
    const { downloads } = await askBrowser(context, 'browserDownloads', { waitMs: seconds * 1000 }, timeoutMs)
    const lines = downloads.map(downloadText)
    return { output: { downloads }, text: lines.length === 0 ? 'Nothing was downloaded.' : withoutHidden(lines.join('\n')) }
  },
})

function downloadText({ path, url, bytes, state, problem }: BrowserDownload): string {
  if (state === 'done') return `${path} (${plural(bytes, 'byte')}) from ${url}`
  return state === 'running' ? `downloading: ${url}` : `failed (${problem}): ${url}`
}
