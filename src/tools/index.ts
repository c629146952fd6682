/** The built-in calls. */
import type { Memory } from '../memory/index.ts'
import type { Egress, EgressProxy } from '../sandbox/index.ts'
import type { Call, Config, SandboxStatus } from '../types/index.ts'
import { browserAct, browserClick, browserOpen, browserType } from './browser/act-calls.ts'
import { browserDownload, browserScreenshot, browserSnapshot, browserTabs, browserText } from './browser/look-calls.ts'
import { changeCalls } from './files/change-calls.ts'
import { fileBytes, fileRead } from './files/read-calls.ts'
import { fileTransferCalls } from './files/transfer-calls.ts'
import { fileList, fileSearch } from './files/search-calls.ts'
import { attachmentSave, mediaSend } from './media/media-calls.ts'
import { watchFolders } from './memory/folder-watch.ts'
import { careCalls, transferCalls } from './memory/care-calls.ts'
import { correctCalls } from './memory/correct-calls.ts'
import { ingestCall } from './memory/ingest-call.ts'
import { noteCalls } from './memory/note-calls.ts'
import { recallCall, searchCall } from './memory/search-calls.ts'
import { openSearch } from './search/search-call.ts'
import { shellExec } from './shell/exec-call.ts'
import { pluginDataCalls } from './plugin-data/plugin-data-calls.ts'
import { sessionClose, sessionList, sessionResize, sessionSignal } from './shell/manage-calls.ts'
import { sessionOpen, shellBackground } from './shell/open-calls.ts'
import { type OnlineSessions, onlineSessions, shellOnline } from './shell/online-sessions.ts'
import { sessionRead, sessionWrite } from './shell/talk-calls.ts'
import { execRun } from './shell/run-call.ts'
import { timeNow } from './time-calls.ts'
import { vaultCopyTo, vaultList } from './vault/vault-calls.ts'
import { createSeenFiles } from './workspace-arguments.ts'
import { createRobots } from './web/robots-rules.ts'
import { webFetch } from './web/web-calls.ts'

export { createSchemaChecker } from './schema/schema-checker.ts'
export { openSearch, pluginDataCalls, watchFolders }

const sessionCalls = (online?: OnlineSessions): readonly Call[] => [
  sessionOpen,
  sessionWrite,
  sessionRead,
  sessionResize,
  sessionSignal,
  sessionClose(online),
  sessionList(online),
]

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

/** @param memory absent when calls are only described, not run */
export function memoryCalls(memory: Memory): readonly Call[] {
  return [
    searchCall(memory),
    ...noteCalls(memory),
    ...correctCalls(memory),
    ...careCalls(memory),
    ingestCall(memory),
    ...transferCalls(memory),
    recallCall(memory),
  ]
}

/**
 * @param web the egress, the proxy for commands, and whether robots.txt is honoured; absent: no network
 * @param further calls that were created elsewhere
 * @returns the calls that this sandbox can serve; a call that is off is not offered
 */
export function builtinCalls(
  sandbox: Pick<SandboxStatus, 'files' | 'shell'> & Partial<Pick<SandboxStatus, 'profiles'>>,
  web?: { readonly egress: Egress; readonly robots: Config['web']['robots']; readonly proxy?: Pick<EgressProxy, 'issue'> },
  further: readonly Call[] = [],
): readonly Call[] {
  const calls: Call[] = [timeNow()]
  const seen = createSeenFiles()
  if (sandbox.files) calls.push(fileRead(seen), fileBytes, fileList, fileSearch, ...changeCalls(seen), ...fileTransferCalls)
  if (sandbox.files) calls.push(attachmentSave(seen), mediaSend)
  if (sandbox.profiles?.includes('vault-read') === true) calls.push(vaultList, vaultCopyTo(seen))
  const proxy = sandbox.profiles?.includes('online') === true ? web?.proxy : undefined
  const online = proxy === undefined ? undefined : onlineSessions(proxy)
  if (sandbox.shell) calls.push(shellExec, execRun, shellBackground, ...sessionCalls(online))
  if (proxy !== undefined && online !== undefined) calls.push(shellOnline(proxy), ...online.calls)
  if (sandbox.profiles?.includes('browser') === true) calls.push(...browserCalls)
  if (web !== undefined) calls.push(webFetch(web.egress, web.robots === 'respect' ? createRobots(web.egress) : undefined))
  return [...calls, ...further]
}
