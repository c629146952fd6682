/** What a page does by itself: dialogs, windows, downloads. All are limited, handled at once, and reported with the next reply. */
import { constants, copyFile, mkdir, readdir, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import type { Dialog, Download, Page } from 'playwright-core'
import type { BrowserDownload } from '../../protocol/index.ts'
import { failed } from '../failure.ts'
import {
  downloadPollMs,
  maxAddressCharacters,
  maxDialogs,
  maxDownloadBytes,
  maxDownloadName,
  maxDownloads,
  maxPopUps,
  maxRunningDownloads,
  maxSameNames,
} from '../limits.ts'
import { downloadFolder } from './chromium-launch.ts'
import { clip, note, type Owner, type Tab } from './tab-table.ts'

export function watchTab(tab: Tab, adopt: (page: Page) => Promise<Tab | null>): void {
  const { page, owner } = tab
  page.on('dialog', (dialog) => void answerDialog(tab, dialog).catch(() => undefined))
  page.on('popup', (opened) => void takePopUp(tab, opened, adopt).catch(() => undefined))
  page.on('download', (download) => void saveDownload(owner, download).catch(() => undefined))
}

async function answerDialog(tab: Tab, dialog: Dialog): Promise<void> {
  const kind = dialog.type()
  tab.dialogs += 1
  if (tab.dialogs > maxDialogs) {
    if (tab.dialogs === maxDialogs + 1) note(tab.owner, `tab ${tab.id} was closed: its page showed too many dialogs`)
    await tab.page.close()
    return
  }
  // A page cannot prevent leaving it.
  const accept = tab.acceptDialogs || kind === 'beforeunload' || kind === 'alert'
  if (kind !== 'beforeunload') {
    const outcome = kind === 'alert' ? '' : accept ? ', answered OK' : ', answered Cancel (accept_dialogs: true would answer OK)'
    note(tab.owner, `tab ${tab.id} showed a dialog (${kind})${outcome}: ${JSON.stringify(clip(dialog.message(), 150))}`)
  }
  await (accept ? dialog.accept(kind === 'prompt' ? dialog.defaultValue() : undefined) : dialog.dismiss())
}

async function takePopUp(tab: Tab, opened: Page, adopt: (page: Page) => Promise<Tab | null>): Promise<void> {
  tab.popUps += 1
  const adopted = tab.popUps > maxPopUps ? null : await adopt(opened)
  if (adopted !== null) return note(tab.owner, `tab ${tab.id} opened a window: tab ${adopted.id}`)
  if (tab.popUps <= maxPopUps + 1) note(tab.owner, `tab ${tab.id} opened too many windows; the rest were closed`)
  await opened.close()
}

// Downloads are saved in /tmp/downloads under a safe, unused name; concurrent ones share a size limit.

const tooLarge = `concurrent downloads may have at most ${maxDownloadBytes / 1024 / 1024} MB in total`

/** Never rejects: a failure is reported with the next reply and in the list of downloads. */
async function saveDownload(owner: Owner, download: Download): Promise<void> {
  const entry: BrowserDownload = { path: '', url: download.url().slice(0, maxAddressCharacters), bytes: 0, state: 'running', problem: '' }
  const isCrowded = owner.downloads.filter(({ state }) => state === 'running').length >= maxRunningDownloads
  owner.downloads.push(entry)
  if (owner.downloads.length > maxDownloads) owner.downloads.shift()
  const problem = isCrowded ? `${maxRunningDownloads} are already running` : await save(owner, download, entry)
  if (problem === null) {
    entry.state = 'done'
    note(owner, `downloaded ${entry.path} (${entry.bytes} bytes)`)
  } else {
    entry.problem = problem
    entry.state = 'failed'
    note(owner, `a download failed: ${problem}`)
    await download.cancel().catch(() => undefined)
  }
  await download.delete().catch(() => undefined)
}

/** @returns why it failed, or null */
async function save({ browser }: Owner, download: Download, entry: BrowserDownload): Promise<string | null> {
  let isTooLarge = false
  const measure = setInterval(() => {
    void bytesIn(browser.downloads).then(async (bytes) => {
      if (bytes > maxDownloadBytes) isTooLarge = true
      if (isTooLarge) await download.cancel().catch(() => undefined)
    })
  }, downloadPollMs)
  try {
    const problem = await download.failure()
    if (isTooLarge) return tooLarge
    if (problem !== null) return /^[\w .]{1,60}$/.test(problem) ? problem : 'the connection ended early'
    const real = await download.path()
    entry.bytes = (await stat(real)).size
    entry.path = await place(real, safeName(download.suggestedFilename()))
    return null
  } catch {
    return 'it could not be saved: the disk may be full, or the browser closed'
  } finally {
    clearInterval(measure)
  }
}

/** Keeps letters and digits of any script; the result is never a path, an option or a hidden file. */
export function safeName(said: string): string {
  const clean = said
    .normalize('NFC')
    .replaceAll(/[^\p{L}\p{N}._ ()+-]+/gu, '_')
    .replace(/^[._ -]+/, '')
  const ending = extname(clean).slice(0, 16)
  const stem = clean.slice(0, clean.length - extname(clean).length)
  return `${stem.slice(0, maxDownloadName - 16) || 'download'}${ending}`.toWellFormed()
}

/** Never replaces an existing file. */
async function place(real: string, name: string): Promise<string> {
  await mkdir(downloadFolder, { recursive: true })
  const ending = extname(name)
  const stem = name.slice(0, name.length - ending.length)
  for (let i = 1; i <= maxSameNames; i += 1) {
    const path = `${downloadFolder}/${stem}${i === 1 ? '' : ` (${i})`}${ending}`
    try {
      await copyFile(real, path, constants.COPYFILE_EXCL)
      return path
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
  }
  throw failed('limit_reached', `${downloadFolder} holds too many files of that name.`, 'Delete or move some.')
}

async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => [])
  const sizes = await Promise.all(
    names.map((name) =>
      stat(`${folder}/${name}`).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
