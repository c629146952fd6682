/**
 * Starts a guest that belongs to this program: with its folder, its journal and all walls of Oxbow, and with tools, model and approvals that are
 * functions here. The guest is a process of its own, or lives in this one; both speak over the same lines.
 */
import { isObject, type JsonObject, OxbowError, ownValue, type SessionId, toError } from '../base/index.ts'
import { type Client, connect } from '../client/index.ts'
import type { App, AppQuestion, Config } from '../config/index.ts'
import type { CallOutcome, InputOf, MadeCall, OutputOf } from '../protocol/index.ts'
import { ensureGuest, type GuestSetup, loadConfig, openHome, openWorkspace, parseUser, type RunningGuest } from '../runner/index.ts'
import { type Approve, createDecider } from './approvals.ts'
import { askModel, type Generate, modelSettings, type OwnModel } from './model.ts'
import { createSession, type OpenSession, type Run, type RunOptions, type Session } from './session.ts'
import { ownProcess } from './own-process.ts'
import { describeTools, runTool, type Tool } from './tools.ts'

/** As in package.json; a test compares the two. */
export const version = '0.1.0'

export interface OxbowOptions {
  /** Folder of everything; default: `OXBOW_HOME`, else `~/.oxbow`. */
  readonly home?: string
  /** Whose workspace, journal and keys. One guest at a time has them. Default: `default`. */
  readonly user?: string
  /** `provider/model`, or this program as the model. Default: as configured. */
  readonly model?: string | Generate | OwnModel
  /** By name: the model sees `app_NAME`. The usual agent may use them; policy and approvals judge each use. */
  readonly tools?: Readonly<Record<string, Tool>>
  /** Decides what the policy asks about. Absent: whatever asks is denied. */
  readonly approve?: Approve
  /** Keys of the configuration, as in `config.toml`; they take precedence over its files, unless a file lets them only be tightened. */
  readonly config?: JsonObject
  /** Where keys of models are looked up, and what the guest may know of the environment. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** `child`: the guest is a process of its own, which ends with this one. `own`: it lives in this process. Default: `child`. */
  readonly process?: 'child' | 'own'
  /** Runs without a sandbox where none works: agents then have no files and start no programs. Default: false. */
  readonly insecure?: boolean
  /** Hears what a person should know, such as a journal that is behind a signed head. Default: it goes to the standard error. */
  readonly onWarning?: (text: string) => void
}

export interface SessionOptions {
  /** A session that exists. */
  readonly id?: string
  readonly title?: string
  /** An agent of `agents/NAME.toml`. Default: the usual one. */
  readonly agent?: string
}

export interface Oxbow extends AsyncDisposable {
  /** Of the gateway, which other terminals of this user use as well. */
  readonly url: string
  /** The owner's; it changes with each start. */
  readonly token: string
  /** Everything else that a terminal can do. */
  readonly client: Client
  /** A new session, or one that exists. */
  session(options?: SessionOptions): Promise<Session>
  /** Sends a message in a new session; `reply.session` continues it. */
  run(text: string, options?: RunOptions & SessionOptions): Run
  /** Makes a system call as the user. @throws OxbowError as the call failed */
  call<Name extends string>(name: Name & MadeCall<Name>, input: InputOf<Name>, session?: string): Promise<OutputOf<Name>>
  /** Ends the guest; turns that run continue with its next start. Without it the guest keeps this program running. */
  close(): Promise<void>
}

/**
 * Resolves when the guest accepts messages.
 * @throws OxbowError `bad_input` for an option, `bad_config` for a configuration, `workspace_busy` while another guest has the workspace
 */
export async function startOxbow(options: OxbowOptions = {}): Promise<Oxbow> {
  const { approve, onWarning = (text) => void process.stderr.write(`oxbow: ${text}\n`) } = options
  const guest = await ensureGuest(await setupOf(options, onWarning))
  if (!guest.owned)
    throw new OxbowError('workspace_busy', 'Another guest has this workspace, so this program cannot be part of it.', {
      hint: 'End it with oxbow stop, use another user or home, or connect to it: oxbow/client.',
    })
  const client = await connect({ url: guest.url, token: guest.token, client: `oxbow-sdk ${version}` }).catch(async (error: unknown) => {
    await guest.stop()
    throw error
  })
  void guest.gone.then((failure) => void (failure !== null && client.close().catch(() => {})))
  return embedded(guest, client, createDecider(approve, client, onWarning))
}

function embedded(guest: RunningGuest, client: Client, decide: Parameters<typeof createSession>[1]['decide']): Oxbow {
  const known = new Map<string, OpenSession>()
  const call: Oxbow['call'] = async (name, input, session) => outputOf(await client.call(name, input, session as SessionId | undefined))
  const open = (id: SessionId): OpenSession => {
    const session = known.get(id) ?? createSession(id, { client, decide, onIdle: () => void known.delete(id) })
    known.set(id, session)
    return session
  }
  const choose = async ({ id, title, agent }: SessionOptions): Promise<OpenSession> => {
    const found = open((id ?? (await client.createSession(title)).id) as SessionId)
    if (agent !== undefined) await call('session.agent', { agent }, found.session.id)
    return found
  }
  let closing: Promise<void> | null = null
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      await client.close()
      await guest.stop()
    })())
  return {
    url: guest.url,
    token: guest.token,
    client,
    call,
    async session(options = {}) {
      const { session, keep } = await choose(options)
      keep()
      return session
    },
    run(text, options = {}) {
      // In an object: a promise of a run would be one of its reply.
      const begun = choose(options).then(({ session }) => ({ run: session.run(text, options) }))
      const reply = begun.then(({ run }) => run)
      reply.catch(() => {})
      return Object.assign(reply, {
        async *[Symbol.asyncIterator]() {
          yield* (await begun).run
        },
      })
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** @throws OxbowError as the call failed */
function outputOf<Output>(outcome: CallOutcome<Output>): Output {
  if (outcome.status === 'ok') return outcome.output
  throw toError(outcome.failure)
}

async function setupOf(options: OxbowOptions, warn: (text: string) => void): Promise<GuestSetup> {
  const { user = 'default', insecure = false } = options
  const env = { ...(options.env ?? process.env), ...(options.home !== undefined && { OXBOW_HOME: options.home }) }
  const app = appOf(options)
  const home = openHome(env)
  const workspace = openWorkspace(home, parseUser(user))
  const given = { table: tableOf(options), ...(typeof options.model === 'string' && { model: options.model }) }
  const overrides = { ...given, table: withRights(given.table, app, loadConfig(home, workspace, given)) }
  return {
    home,
    workspace,
    config: loadConfig(home, workspace, overrides),
    overrides,
    insecure,
    version,
    env,
    warn,
    ...(app !== undefined && { app }),
    ...(options.process === 'own' && { spawn: await ownProcess() }),
  }
}

/** The usual agent may use the tools of this program; agents with definitions name them in their rights. */
function withRights(table: JsonObject, app: App | undefined, { agent }: Config): JsonObject {
  if (app === undefined || app.tools.length === 0) return table
  const rights = [...agent.rights, ...app.tools.map(({ name }) => `app.${name}`)]
  return { ...table, agent: { ...(isObject(table['agent']) && table['agent']), rights } }
}

function tableOf({ config = {}, model }: OxbowOptions): JsonObject {
  const own = ownModelOf(model)
  return own === null ? config : { ...config, model: { ...(isObject(config['model']) && config['model']), ...modelSettings(own) } }
}

function ownModelOf(model: OxbowOptions['model']): OwnModel | null {
  if (typeof model === 'function') return { generate: model }
  return typeof model === 'object' ? model : null
}

/** @returns undefined for a program that brings nothing */
function appOf({ tools = {}, model }: OxbowOptions): App | undefined {
  const [described, own] = [describeTools(tools), ownModelOf(model)]
  if (described.length === 0 && own === null) return undefined
  return {
    tools: described,
    servesModel: own !== null,
    answer: (question, signal, onPiece) => answer(question, signal, onPiece),
  }

  async function answer(question: AppQuestion, signal: AbortSignal, onPiece: (piece: JsonObject) => void) {
    if (question.ask === 'app_model') {
      if (own === null) throw new Error('this program is no model')
      return askModel(own.generate, question.params, signal, onPiece)
    }
    const { name, input, session, call } = question
    const used = ownValue(tools, name)
    if (used === undefined) throw new OxbowError('not_found', `This program has no tool ${name}.`, { hint: 'Continue without it.' })
    return { output: await runTool(name, used, input, { signal, session, call }) }
  }
}
