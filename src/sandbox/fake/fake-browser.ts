/** There is no browser in memory: each request is refused as in a sandbox without one. */
import type { BrowserOps } from '../../types/index.ts'
import { fail } from './fake-files.ts'
import type { Operations } from './fake-files.ts'

export function fakeBrowser(): Pick<Operations, keyof BrowserOps> {
  const refuse = (): never => {
    throw fail('sandbox_missing', 'There is no browser in this sandbox.')
  }
  return {
    browserOpen: refuse,
    browserAct: refuse,
    browserLook: refuse,
    browserPicture: refuse,
    browserTabs: refuse,
    browserDownloads: refuse,
  }
}
