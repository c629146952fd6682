/** Finds the element that a tree named. */
import type { Locator } from 'playwright-core'
import { failed } from '../failure.ts'
import { lookMs } from '../limits.ts'
import type { Tab } from './tab-table.ts'
import { within } from './time-limit.ts'

/** @throws `bad_input`, or `not_found` when it is not there any more: names hold until their element goes or the page changes. */
export async function findElement(tab: Tab, ref: string): Promise<Locator> {
  if (!/^(?:f\d{1,6})?e\d{1,9}$/.test(ref))
    throw failed('bad_input', 'That is no ref of an element.', 'Refs look like e5 or f1e2; browser_snapshot shows them.')
  const element = tab.page.locator(`aria-ref=${ref}`)
  // A ref of a frame that is gone is an error of its own.
  const found = await within(lookMs, element.count()).catch(() => 0)
  if (found === 0)
    throw failed(
      'not_found',
      `There is no element ${ref} in tab ${tab.id} now.`,
      'Take a new browser_snapshot: the page has changed since.',
    )
  return element
}
