/** `browser.tabs` and `browser.download`: what is open, and what came. */
import { z } from 'zod'
import type { BrowserDownload, Call } from '../../types/index.ts'
import { browserLookMs, browserGraceMs, maxDownloadWaitSeconds } from '../limits.ts'
import { withoutHidden } from '../web/decode-text.ts'
import { plural } from '../workspace-arguments.ts'
import { askBrowser, looking, tabArgument } from './browser-page.ts'

interface TabsInput {
  action: 'list' | 'select' | 'close'
  tab: string
}
interface TabsOutput {
  tabs: { tab: string; current: boolean; url: string; title: string }[]
}

export const browserTabs: Call<TabsInput, TabsOutput> = {
  ...looking,
  name: 'browser.tabs',
  summary: 'Lists the open tabs of this conversation, makes one the current one, or closes one.',
  input: z.strictObject({
    action: z.enum(['list', 'select', 'close']).default('list').describe('What to do first; the tabs are listed after it.'),
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
}

interface DownloadInput {
  wait_s: number
}
interface DownloadOutput {
  downloads: BrowserDownload[]
}

export const browserDownload: Call<DownloadInput, DownloadOutput> = {
  ...looking,
  name: 'browser.download',
  summary: 'Lists what this conversation has downloaded, into /tmp/downloads; waits for what is on the way.',
  input: z.strictObject({
    wait_s: z.int().min(0).max(maxDownloadWaitSeconds).default(10).describe('Seconds to wait at most for downloads that run.'),
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
}

function downloadText({ path, url, bytes, state, problem }: BrowserDownload): string {
  if (state === 'done') return `${path} (${plural(bytes, 'byte')}) from ${url}`
  return state === 'running' ? `on the way: ${url}` : `failed (${problem}): ${url}`
}
