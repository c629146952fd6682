/** The built-in calls. */
import type { Memory } from '../memory/index.ts'
import type { Egress, EgressProxy } from '../sandbox/index.ts'
import type { Failure } from '../base/index.ts'
import type { Call, Lack, Profile, SandboxStatus } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
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
import { recallingCall, searchCall } from './memory/search-calls.ts'
import { openSearch, searchIsOff } from './search/search-call.ts'
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

export { memoryVerbs } from './memory/memory-verbs.ts'
export { createSchemaChecker } from './schema/schema-checker.ts'
export { openSearch, pluginDataCalls, searchIsOff, watchFolders }

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

/** Without a memory: descriptions do not open it. */
export const describedMemoryCalls = (): readonly Call[] => memoryCalls({} as Memory)

export function memoryCalls(memory: Memory): readonly Call[] {
  return [
    searchCall(memory),
    ...noteCalls(memory),
    ...correctCalls(memory),
    ...careCalls(memory),
    ingestCall(memory),
    ...transferCalls(memory),
    recallingCall(memory),
  ]
}

/**
 * @param web the egress, the proxy for commands, and whether robots.txt is honoured; absent: no network
 * @param further calls that were created elsewhere
 * @returns all calls; those that this sandbox cannot serve say why in `unavailable`, and are not offered
 */
export function builtinCalls(
  sandbox: Served,
  web?: { readonly egress: Egress; readonly robots: Config['web']['robots']; readonly proxy?: Pick<EgressProxy, 'issue'> },
  further: readonly Call[] = [],
): readonly Call[] {
  const seen = createSeenFiles()
  const proxy = sandbox.profiles?.includes('online') === true ? web?.proxy : undefined
  const online = onlineSessions(proxy ?? noProxy)
  const withProxy =
    proxy === undefined ? { ...sandbox, profiles: sandbox.profiles?.filter((profile) => profile !== 'online') ?? [] } : sandbox
  return [
    timeNow(),
    ...needing(sandbox, 'files', [fileRead(seen), fileBytes, fileList, fileSearch, ...changeCalls(seen), ...fileTransferCalls]),
    ...needing(sandbox, 'files', [attachmentSave(seen), mediaSend]),
    ...needing(sandbox, 'vault-read', [vaultList, vaultCopyTo(seen)]),
    ...needing(sandbox, 'commands', [shellExec, execRun, shellBackground, ...sessionCalls(proxy && online)]),
    ...needing(withProxy, 'online', [shellOnline(proxy ?? noProxy), ...online.calls]),
    ...needing(sandbox, 'browser', browserCalls),
    ...(web === undefined ? [] : [webFetch(web.egress, web.robots === 'respect' ? createRobots(web.egress) : undefined)]),
    ...further,
  ]
}

/** Of calls that cannot be made. */
const noProxy: Pick<EgressProxy, 'issue'> = { issue: () => Promise.reject(new Error('there is no proxy for commands')) }

// Calls that the sandbox does not serve stay described, so that whoever asks for one is told why it cannot be made.

/** What is known of the sandbox; a guest has the whole status. */
type Served = Pick<SandboxStatus, 'files' | 'shell'> & Partial<Pick<SandboxStatus, 'tier' | 'profiles' | 'lacking' | 'problem'>>

/** What a call needs of the sandbox. */
type Needed = 'files' | 'commands' | Exclude<Profile, 'work'>

const nouns: Readonly<Record<Needed, string>> = {
  files: 'files',
  commands: 'commands',
  online: 'commands with network',
  browser: 'a browser',
  'vault-read': 'the vault',
}

/** @returns the calls, marked where the sandbox does not have what they need */
function needing(sandbox: Served, needed: Needed, calls: readonly Call[]): readonly Call[] {
  if (serves(sandbox, needed)) return calls
  return calls.map((call) => ({ ...call, unavailable: whyNot(call, sandbox, needed) }))
}

function serves({ files, shell, profiles = [] }: Served, needed: Needed): boolean {
  if (needed === 'files') return files
  if (needed === 'commands') return shell
  return profiles.includes(needed) && (needed !== 'online' || shell)
}

function whyNot({ name }: Call, { tier = 'none', lacking = {}, problem = null }: Served, needed: Needed): Failure {
  const code = 'sandbox_missing'
  if (tier === 'none') {
    const message = `${name} needs the sandbox, which is off: ${problem?.message ?? 'it did not start.'}`
    return { code, message, hint: problem?.hint ?? 'oxbow doctor says what is missing.' }
  }
  const { why, hint }: Lack = lackOf(tier, needed === 'files' || needed === 'commands' ? undefined : lacking[needed])
  return { code, message: `${name} needs ${nouns[needed]}, which ${why}.`, hint }
}

function lackOf(tier: SandboxStatus['tier'], lack: Lack | undefined): Lack {
  if (tier === 'insecure')
    return { why: '--insecure turns off', hint: 'Start without --insecure; oxbow doctor says what is missing for that.' }
  return lack ?? { why: `the tier ${tier} does not have`, hint: 'oxbow status says what it has; oxbow doctor says what is missing.' }
}
