/** A serving guest's questions to its runner: lines out on stdout, replies in on stdin. */
import { isObject, type Json, type JsonObject, OxbowError, toError, toFailure, type Log } from '../base/index.ts'
import type {
  FoundServer,
  HostedPlugin,
  HostUser,
  SpaceView,
  InstalledPlugin,
  LogPage,
  NewestHead,
  PluginProposal,
  ServerPackages,
  InstalledServer,
  StagedPluginView,
} from '../protocol/index.ts'
import type {
  ArchiveFile,
  ArchivePage,
  ChangedProgram,
  ConfigProposal,
  ConfigState,
  DefinitionText,
  GuestEnvelope,
  GuestReport,
  HostFolders,
  HostPort,
  HostQuestion,
  HostReply,
  HostSkillFile,
  HostSkills,
  HostState,
  ReloadedConfig,
  SignedCard,
  SignedPlugin,
  StagedProgram,
} from '../config/index.ts'
import type { LiveConfig } from './live-config.ts'
import { answerKeyQuestion, withStoredSecrets } from './guest-store.ts'

/** After the answer to the call that restarts the guest, so that its terminal receives it. */
const restartDelayMs = 150

interface HostAnswers {
  readonly config: ConfigState
  readonly propose: ConfigProposal
  readonly reload: ReloadedConfig
  readonly envelope: GuestEnvelope
  readonly newest_head: NewestHead | null
  readonly definitions: readonly DefinitionText[]
  readonly plugins: readonly HostedPlugin[]
  readonly folders: HostFolders
  readonly skills: HostSkills
  readonly skill_files: readonly HostSkillFile[]
  readonly sign_card: SignedCard
  readonly guarding: HostState
  readonly installed_plugins: readonly InstalledPlugin[]
  readonly look_at_plugin: StagedPluginView
  readonly install_plugin: StagedPluginView
  readonly propose_plugin: PluginProposal
  readonly change_plugin: null
  readonly new_plugin: string
  readonly sign_plugin: SignedPlugin
  readonly look_at_program: StagedProgram
  readonly install_program: StagedProgram
  readonly change_program: ChangedProgram
  readonly program_tests: Readonly<Record<string, string>>
  readonly new_program: string
  readonly resolve_server: ServerPackages
  readonly install_server: InstalledServer
  readonly uninstall_server: null
  readonly found_servers: readonly FoundServer[]
  readonly users: readonly HostUser[]
  readonly spaces: readonly SpaceView[]
  readonly log: LogPage
  readonly stop: null
  readonly channels: null
  readonly archive: ArchiveFile
  readonly archived: ArchivePage
  readonly app_tool: Json
  readonly app_model: Json
}

/** What can be asked and is answered. */
type Asked = Exclude<HostQuestion, { ask: 'withdraw' }>

interface Waiting extends PromiseWithResolvers<never> {
  readonly onPiece: (piece: JsonObject) => void
}

export interface HostLink {
  /** @param signal withdraws the question; it then rejects with the reason of the signal */
  ask<const Question extends Asked>(
    question: Question,
    signal?: AbortSignal,
    onPiece?: (piece: JsonObject) => void,
  ): Promise<HostAnswers[Question['ask']]>
  /** @param line from the runner; any other text is ignored */
  receive(line: string): void
  /** @param listener replaces the one before; called at once for a change that came before the first */
  onConfigChange(listener: () => void): void
  /** The runner has gone: what is asked, and was, is not answered any more. */
  end(): void
}

/** @param onSettle called when the guest is to end soon */
export function createHostLink(report: (report: GuestReport) => void, onSettle: () => void = () => {}): HostLink {
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let hasChanged = false
  let onChange = (): void => void (hasChanged = true)
  let isOver = false
  return {
    onConfigChange(listener) {
      onChange = listener
      if (hasChanged) listener()
      hasChanged = false
    },
    ask(question, signal, onPiece = () => {}) {
      if (isOver) return Promise.reject(runnerGone())
      const answer = Promise.withResolvers<never>()
      const id = (lastId += 1)
      waiting.set(id, { ...answer, onPiece })
      report({ type: 'ask', id, question })
      if (signal === undefined) return answer.promise
      const withdraw = (): void => {
        if (waiting.delete(id)) report({ type: 'ask', id: (lastId += 1), question: { ask: 'withdraw', question: id } })
        answer.reject(signal.reason)
      }
      if (signal.aborted) withdraw()
      else signal.addEventListener('abort', withdraw, { once: true })
      return answer.promise.finally(() => signal.removeEventListener('abort', withdraw))
    },
    receive(line) {
      const reply = parseReply(line)
      if (reply === null) return
      if (reply.type === 'config_changed') return onChange()
      if (reply.type === 'settle') return onSettle()
      const answer = waiting.get(reply.id)
      if (reply.type === 'piece') return answer?.onPiece(reply.piece)
      waiting.delete(reply.id)
      if ('failure' in reply) answer?.reject(toError(reply.failure))
      else answer?.resolve(reply.output as never)
    },
    end() {
      isOver = true
      for (const answer of waiting.values()) answer.reject(runnerGone())
      waiting.clear()
    },
  }
}

const runnerGone = (): OxbowError =>
  new OxbowError('guest_unreachable', 'The program that started this guest has ended.', { hint: 'Start Oxbow again.' })

/** The runner is trusted; a line of another version is not understood. */
const replyTypes: ReadonlySet<unknown> = new Set<HostReply['type']>(['answer', 'config_changed', 'piece', 'settle'])

function parseReply(line: string): HostReply | null {
  try {
    const value: unknown = JSON.parse(line)
    const isReply = isObject(value) && replyTypes.has(value['type'])
    return isReply ? (value as unknown as HostReply) : null
  } catch {
    return null
  }
}

export interface HostPortDeps {
  readonly link: HostLink
  readonly envelope: GuestEnvelope
  /** Restarts the guest. @param onFailure receives what the new configuration fails with; the guest then runs with the previous one */
  /** What the guest runs with now. */
  readonly live: () => Pick<LiveConfig, 'apply' | 'tookUp'> | null
  readonly renew: (envelope: GuestEnvelope, onFailure: (error: unknown) => void) => Promise<void>
  readonly log: Log | undefined
}

export function createHostPort({ link, envelope, renew, live, log }: HostPortDeps): HostPort {
  let problem = ''
  return {
    ...(log !== undefined && { log }),
    ...(envelope.lease !== undefined && { node: envelope.lease.node }),
    ...(envelope.collector !== undefined && {
      collector: { version: envelope.version, variables: { ...envelope.collector, ...envelope.keys } },
    }),
    config: () => link.ask({ ask: 'config' }),
    propose: (draft) => link.ask({ ask: 'propose', draft, save: false }),
    save: (draft, base) => link.ask({ ask: 'propose', draft, save: true, base }),
    async setSecret(name, value) {
      const { masterKeys = [] } = await link.ask({ ask: 'envelope', masters: true })
      const question = value === null ? { ask: 'remove' as const, name } : { ask: 'set' as const, name, value }
      return (await answerKeyQuestion(question, { ...envelope, masterKeys })).changed > 0
    },
    async restart() {
      const next = await withStoredSecrets(await link.ask({ ask: 'envelope', masters: false }))
      setTimeout(() => {
        problem = ''
        void renew(next, (error) => void (problem = toFailure(error, 'internal_failure', '').message))
      }, restartDelayMs)
    },
    async reload() {
      const { config, waiting } = await link.ask({ ask: 'reload' })
      live()?.apply(config)
      return { waiting }
    },
    onConfigChange: link.onConfigChange,
    tookUp: (generation) => live()?.tookUp(generation),
    archive: (after, upto) => link.ask({ ask: 'archive', after, upto }),
    archived: (file, after) => link.ask({ ask: 'archived', file, after }),
    newestHead: () => link.ask({ ask: 'newest_head' }),
    definitions: () => link.ask({ ask: 'definitions' }),
    plugins: () => link.ask({ ask: 'plugins' }),
    folders: () => link.ask({ ask: 'folders' }),
    skills: () => link.ask({ ask: 'skills' }),
    guarding: () => link.ask({ ask: 'guarding' }),
    skillFiles: ({ place, agent, folder }) => link.ask({ ask: 'skill_files', place, agent, folder }),
    signCard: (card, keyAddress) => link.ask({ ask: 'sign_card', card, key_address: keyAddress }),
    installedPlugins: () => link.ask({ ask: 'installed_plugins' }),
    lookAtPlugin: (source, manifest) => link.ask({ ask: 'look_at_plugin', source, manifest }),
    proposePlugin: (source) => link.ask({ ask: 'propose_plugin', source }),
    installPlugin: (source, hash, manifest) => link.ask({ ask: 'install_plugin', source, hash, manifest }),
    changePlugin: async (plugin, change) => void (await link.ask({ ask: 'change_plugin', plugin, change })),
    newPlugin: (folder) => link.ask({ ask: 'new_plugin', folder }),
    signPlugin: (folder, key) => link.ask({ ask: 'sign_plugin', folder, key }),
    programs: {
      look: (source, program) => link.ask({ ask: 'look_at_program', source, program }),
      install: (source, hash, program) => link.ask({ ask: 'install_program', source, hash, program }),
      change: (program, change, hash) => link.ask({ ask: 'change_program', program, change, hash }),
      tests: (program) => link.ask({ ask: 'program_tests', program }),
      make: (folder) => link.ask({ ask: 'new_program', folder }),
    },
    resolveServer: (server, spec) => link.ask({ ask: 'resolve_server', server, package: spec }),
    installServer: (server, spec, digest, bin) => link.ask({ ask: 'install_server', server, package: spec, digest, bin }),
    uninstallServer: async (server) => void (await link.ask({ ask: 'uninstall_server', server })),
    foundServers: () => link.ask({ ask: 'found_servers' }),
    users: () => link.ask({ ask: 'users' }),
    spaces: () => link.ask({ ask: 'spaces' }),
    logPage: (wish) => link.ask({ ask: 'log', wish }),
    channels: async (spec) => void (await link.ask({ ask: 'channels', spec })),
    stop: async () => void (await link.ask({ ask: 'stop' })),
    app: (question, signal, onPiece) => link.ask(question, signal, onPiece),
    restartProblem: () => problem,
  }
}
