/** The browser calls. */
import type { Call } from '../../types/index.ts'
import { browserAct, browserClick, browserOpen, browserType } from './act-calls.ts'
import { browserDownload, browserScreenshot, browserSnapshot, browserTabs, browserText } from './look-calls.ts'

export const browserCalls: readonly Call[] = [
  browserOpen,
  browserSnapshot,
  browserClick,
  browserType,
  browserAct,
  browserText,
  browserScreenshot,
  browserTabs,
  browserDownload,
]
