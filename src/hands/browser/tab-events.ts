/** What a page does by itself: dialogs, windows, downloads. All are bounded, answered at once, and told with the next answer. */
import type { Dialog, Page } from 'playwright-core'
import { maxDialogs, maxPopUps } from '../limits.ts'
import { saveDownload } from './download-save.ts'
import { clip, note } from './tab-table.ts'
import type { Tab } from './tab-table.ts'

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
    if (tab.dialogs === maxDialogs + 1) note(tab.owner, `tab ${tab.id} was closed: its page showed dialogs without end`)
    await tab.page.close()
    return
  }
  // A page that asks whether to leave it has no say in that.
  const accept = tab.acceptDialogs || kind === 'beforeunload' || kind === 'alert'
  if (kind !== 'beforeunload') {
    const answered = kind === 'alert' ? '' : accept ? ', answered OK' : ', answered Cancel (accept_dialogs: true would answer OK)'
    note(tab.owner, `tab ${tab.id} showed a dialog (${kind})${answered}: ${JSON.stringify(clip(dialog.message(), 150))}`)
  }
  await (accept ? dialog.accept(kind === 'prompt' ? dialog.defaultValue() : undefined) : dialog.dismiss())
}

async function takePopUp(tab: Tab, opened: Page, adopt: (page: Page) => Promise<Tab | null>): Promise<void> {
  tab.popUps += 1
  const taken = tab.popUps > maxPopUps ? null : await adopt(opened)
  if (taken !== null) return note(tab.owner, `tab ${tab.id} opened a window: it is tab ${taken.id}`)
  if (tab.popUps <= maxPopUps + 1) note(tab.owner, `tab ${tab.id} opened more windows than it may; they were closed`)
  await opened.close()
}
