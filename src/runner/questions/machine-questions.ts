/** What pages ask about the host of their guest: its users, the log, and to stop it. */
import { assertNever, once, OxbowError } from '../../base/index.ts'
import type { HostUser, UserStatus } from '../../protocol/index.ts'
import type { HostQuestion } from '../../config/index.ts'
import { askDaemon } from '../daemon/control-client.ts'
import { socketOf } from '../daemon/daemon-place.ts'
import { findGuest, type FoundGuest } from '../find-guest.ts'
import { type Home, openWorkspace, usersOf, type Workspace } from '../home.ts'
import { maxShownLogBytes, stopDelayMs } from '../limits.ts'
import { serverOf } from '../process-note.ts'
import { type LogFolders, logFolders, shownLog } from '../shown-log.ts'
import type { PluginQuestionDeps, PluginQuestions } from '../plugins/plugin-questions.ts'

interface MachineSideDeps extends PluginQuestionDeps {
  readonly isIsolated: boolean
  /** What an isolated guest is told that wants to change something. */
  readonly locked: () => OxbowError
}

type MachineQuestion = Extract<
  HostQuestion,
  {
    readonly ask:
      | 'installed_plugins'
      | 'look_at_plugin'
      | 'propose_plugin'
      | 'install_plugin'
      | 'change_plugin'
      | 'new_plugin'
      | 'sign_plugin'
      | 'look_at_program'
      | 'install_program'
      | 'change_program'
      | 'program_tests'
      | 'new_program'
      | 'resolve_server'
      | 'install_server'
      | 'uninstall_server'
      | 'found_servers'
      | 'users'
      | 'spaces'
      | 'log'
      | 'stop'
  }
>

/** @returns what answers questions about the machine; it throws OxbowError for what cannot be answered */
export function createMachineSide(deps: MachineSideDeps): (question: MachineQuestion) => unknown {
  const { home, workspace, isIsolated, locked } = deps
  const plugins = once(async () => (await import('../plugins/plugin-questions.ts')).createPluginQuestions(deps))
  const programs = once(async () => (await import('../programs/program-questions.ts')).answerProgram)
  const servers = once(async () => (await import('../packages/server-questions.ts')).createServerQuestions(deps))
  const spaces = () => import('../spaces/space-view.ts')
  const unlocked = async <Questions, Result>(
    of: () => Promise<Questions>,
    ask: (questions: Questions) => Promise<Result>,
  ): Promise<Result> => {
    if (isIsolated) throw locked()
    return ask(await of())
  }
  const changePlugins = <Result>(change: (questions: PluginQuestions) => Promise<Result>): Promise<Result> => unlocked(plugins, change)
  return (question) => {
    switch (question.ask) {
      case 'installed_plugins':
        return plugins().then((questions) => questions.installed())
      case 'look_at_plugin':
        return changePlugins((questions) => questions.look(question.source, question.manifest))
      case 'propose_plugin':
        return changePlugins((questions) => questions.propose(question.source))
      case 'install_plugin':
        return changePlugins((questions) => questions.install(question.source, question.hash, question.manifest))
      case 'change_plugin':
        return changePlugins((questions) => questions.change(question.plugin, question.change))
      case 'new_plugin':
        return changePlugins((questions) => questions.make(question.folder))
      case 'sign_plugin':
        return changePlugins((questions) => questions.sign(question.folder, question.key))
      case 'look_at_program':
      case 'install_program':
      case 'change_program':
      case 'new_program':
        return unlocked(programs, (answer) => answer(deps, question))
      case 'program_tests':
        return programs().then((answer) => answer(deps, question))
      case 'resolve_server':
        return unlocked(servers, (questions) => questions.resolve(question.server, question.package))
      case 'install_server':
        return unlocked(servers, (questions) => questions.install(question.server, question.package, question.digest, question.bin))
      case 'uninstall_server':
        return unlocked(servers, (questions) => questions.uninstall(question.server))
      case 'found_servers':
        return unlocked(servers, (questions) => questions.found())
      case 'users':
        return hostUsers(home, workspace.user)
      case 'spaces':
        return unlocked(spaces, ({ spaceViews }) => spaceViews(home, workspace.user))
      case 'log':
        return { folder: workspace.logs, lines: shownLog(logsFor(deps), question.wish, maxShownLogBytes) }
      case 'stop':
        return stopGuest(home, workspace)
      default:
        return assertNever(question)
    }
  }
}

/** The daemon's log has the names of other users, which an isolated guest does not see. */
function logsFor({ home, workspace, isIsolated }: MachineSideDeps): LogFolders {
  const folderOf = logFolders(home, workspace)
  return isIsolated ? (role) => (role === 'daemon' ? null : folderOf(role)) : folderOf
}

/** @param you the user who asks */
async function hostUsers(home: Home, you: string): Promise<readonly HostUser[]> {
  const kept = await keptByDaemon(home)
  return Promise.all(
    usersOf(home).map(async (user) => {
      const workspace = openWorkspace(home, user)
      const guest = await findGuest(workspace)
      return {
        user,
        is_you: user === you,
        state: guest === null ? ('stopped' as const) : ('running' as const),
        by: guest === null ? ('nobody' as const) : holderOf(guest, workspace, kept) === null ? ('terminal' as const) : ('service' as const),
        pid: guest?.pid ?? null,
        // The token is in the next file, and stays there.
        address: guest === null ? '' : guest.url.replace(/^ws/, 'http').replace(/\/ws$/, ''),
      }
    }),
  )
}

/** @returns users of the daemon that keeps guests of this home; empty where none runs */
async function keptByDaemon(home: Home): Promise<readonly UserStatus[]> {
  const answer = await askDaemon(socketOf(home), 'status', {}).catch(() => null)
  return answer?.users ?? []
}

/** @returns the server that keeps a guest, or the user as whose the daemon does; null: a terminal has it */
function holderOf(guest: FoundGuest, workspace: Workspace, kept: readonly UserStatus[]): { server: number } | { user: string } | null {
  const server = serverOf(workspace)
  if (server?.guest === guest.pid) return { server: server.pid }
  const status = kept.find(({ state, pid }) => state === 'running' && pid === guest.pid)
  return status === undefined ? null : { user: status.user }
}

/** After its answer: a server ends with its guest, and a daemon stops this one of many. @throws OxbowError `workspace_busy` */
async function stopGuest(home: Home, workspace: Workspace): Promise<null> {
  const guest = await findGuest(workspace)
  const holder = guest === null ? null : holderOf(guest, workspace, await keptByDaemon(home))
  if (holder === null || ('server' in holder && holder.server !== process.pid))
    throw new OxbowError('workspace_busy', 'This guest belongs to a terminal.', {
      hint: 'It ends with that terminal: close the chat, or the program that started it.',
    })
  setTimeout(() => {
    if ('server' in holder) process.kill(holder.server, 'SIGTERM')
    // A daemon that is gone meanwhile has stopped it.
    else void askDaemon(socketOf(home), 'stop', { user: holder.user }).catch(() => {})
  }, stopDelayMs)
  return null
}
