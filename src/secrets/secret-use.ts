/**
 * Where a handle becomes a value again: at the sandbox and at the network, for the calls that `[secrets.NAME]` names, after the gate has
 * judged and recorded the call with the handle. Everywhere else a handle is refused (a call that would give it to a program or a server)
 * or stays what it is, a name (a call of the kernel).
 *
 * One use needs no permission: what a session has read in a file it may write to files and give to commands without network, because
 * the value is there already. So an agent can edit a file with a secret. The text of a handle alone, wherever it comes from, allows
 * nothing.
 */
import { createRecentMap, type Failure, isObject, type SessionId } from '../base/index.ts'
import { networkRights, type Call, type Caller, type Hands, type HandsOp, type Sandbox } from '../protocol/index.ts'
import { eachHandle, fillHandles, misplaced } from './handle-fill.ts'
import { maxSecretSessions } from './limits.ts'
import { createDeepHide } from './deep-hide.ts'
import type { Origin, SecretPolicy, Secrets } from './secrets.ts'

/** What one call does with secrets, from its admission to its end. */
export interface SecretUse {
  /** What runs: values in place of handles. */
  readonly input: unknown
  /** Hides secrets in what hands reply, and gives commands their variables. */
  sandbox(sandbox: Sandbox): Sandbox
  /** Replaces secrets in a text that the call returns. @param isForeign anybody may have written it: it may have unknown ones */
  clean(text: string, isForeign: boolean): string
  /** As `clean`, for every string of a JSON value. */
  cleanValue<Value>(value: Value, isForeign: boolean): Value
  /** For what the call records about itself. */
  record<Value>(body: Value): Value
  /** For a glance at the end of an output: nothing in it is remembered. */
  show(text: string): string
}

export interface SecretUses {
  /** Loads what is remembered of secrets, once, for calls that can reach them. */
  ready(call: Call): Promise<void>
  /** Replaces the secrets that a caller wrote itself. `own` are their names: the call receives these values whatever is allowed. */
  adopt(input: unknown): { readonly input: unknown; readonly own: readonly string[] }
  /** @returns why a call must not run with the handles in its input; null when it may */
  judge(caller: Caller, call: Call, input: unknown, own: readonly string[]): Failure | null
  begin(origin: Origin, call: Call, input: unknown, own: readonly string[]): SecretUse
}

/** Rights of calls that give text to programs or to files, and cannot send it anywhere. */
const insideRights: readonly string[] = ['file.read', 'file.write', 'shell.run', 'exec.run']
/** Replies of hands whose text was written by anybody; names of files are no secrets. */
const textFields: readonly string[] = ['text', 'before', 'after', 'stdout', 'stderr']
/** Requests whose replies no caller reads: the kernel compares names and copies bytes. */
const internalOps: readonly HandsOp[] = ['survey', 'snapshot', 'collect', 'archive', 'watch']
/** Where hands have left out the middle of an output: a secret may be cut on either side. */
const omission = /(\n\[… [0-9]+ bytes omitted …\]\n)/
/** For secrets that have no host in common: an empty list would allow any. RFC 2606 reserves the name. */
const nowhere = 'none.invalid'

const isInside = ({ right }: Call): boolean => insideRights.includes(right)
/** Tools of servers, which others write. */
const isOfServer = ({ right }: Call): boolean => right.startsWith('mcp.')
const isOnline = ({ right }: Call): boolean => right === 'shell.network'
const isEdge = (call: Call): boolean => isInside(call) || networkRights.has(call.right) || isOfServer(call)

/** Remembers what a session has read inside the sandbox. */
interface Seen {
  has(session: SessionId | '', name: string): boolean
  add(session: SessionId | '', name: string): void
}

export function createSecretUses(secrets: Secrets): SecretUses {
  const seen = createSeen()
  return {
    async ready(call) {
      if (isEdge(call) || call.labels.adds.includes('untrusted')) await secrets.ready()
    },
    adopt(input) {
      secrets.refresh()
      const own: string[] = []
      return { input: secrets.hideIn(input, (name) => own.push(name)), own }
    },
    judge(caller, call, input, own) {
      if (!isEdge(call)) return null
      for (const [handle, name] of handlesIn(secrets, input)) {
        const failure = own.includes(name) ? null : judgeOne(secrets, seen, { caller, call, input, handle, name })
        if (failure !== null) return failure
      }
      return null
    },
    begin(origin, call, input, own) {
      const used = new Map(
        isEdge(call) || call.keepsSecret === true
          ? [...handlesIn(secrets, input)].filter(([, name]) => isEdge(call) || own.includes(name))
          : [],
      )
      const names = new Set(used.values())
      const variables =
        isInside(call) || isOnline(call) ? variablesFor(secrets, call, input, names).filter(({ name }) => mayUse(origin.caller, name)) : []
      for (const { name } of variables) names.add(name)
      const granted = [...names].filter((name) => !own.includes(name))
      const narrowed = granted.length === 0 ? input : narrow(secrets, call, input, granted)
      const filled =
        used.size === 0
          ? { input: narrowed, env: {} }
          : fillHandles(narrowed, (handle) => (used.has(handle) ? secrets.spelled(handle)?.text : undefined))
      const env = { ...filled.env, ...Object.fromEntries(variables.map(({ variable, value }) => [variable, value])) }
      const note = (name: string): void => {
        // What this call was given may be in its output without being in any file.
        if (!names.has(name)) seen.add(origin.caller.session, name)
      }
      const learn = (text: string): string => secrets.learn(text, origin, isEdge(call) ? note : undefined)
      return {
        input: filled.input,
        sandbox: (sandbox) => guarded(secrets, sandbox, { origin, env, note }),
        clean: (text, isForeign) => (isForeign ? learn(text) : secrets.hide(text)),
        cleanValue: (value, isForeign) => (isForeign ? createDeepHide(learn)(value) : secrets.hideIn(value)),
        // The journal hides what is known.
        record: (body) => (call.labels.adds.includes('untrusted') ? createDeepHide(learn)(body) : body),
        show: secrets.mask,
      }
    },
  }
}

function createSeen(): Seen {
  const sessions = createRecentMap<SessionId | '', Set<string>>(maxSecretSessions)
  return {
    has: (session, name) => sessions.get(session)?.has(name) === true,
    add(session, name) {
      const names = sessions.get(session) ?? new Set()
      names.add(name)
      sessions.put(session, names)
    },
  }
}

/** @returns the names of secrets by handle; text that only looks like a handle does not count */
function handlesIn(secrets: Secrets, input: unknown): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  eachHandle(input, (handle) => {
    const bar = handle.lastIndexOf('|')
    const name = bar < 0 ? handle : handle.slice(0, bar)
    if (secrets.has(name) || secrets.isFoundName(name)) found.set(handle, name)
  })
  return found
}

/** An agent to which was delegated uses only secrets that it was given by name; see `attenuation.ts` of the kernel. */
function mayUse({ limits }: Pick<Caller, 'limits'>, name: string): boolean {
  return limits === undefined || (!limits.denied.has('secret.use') && limits.only.get('secret.use')?.includes(name) !== false)
}

function notGiven(name: string, call: Call, { actor }: Pick<Caller, 'actor'>): Failure {
  const isPlugin = actor.startsWith('plugin:')
  return {
    code: 'denied',
    message: `${call.name} may not use the secret ${name} for this ${isPlugin ? 'plugin' : 'agent'}.`,
    hint: isPlugin
      ? `Its manifest allows it with "${name}" under rights.secrets, if the agent that it works for may, too.`
      : 'Continue without it. The user can name the secret in the definition of the agent.',
  }
}

interface Judged {
  readonly caller: Caller
  readonly call: Call
  readonly input: unknown
  readonly handle: string
  readonly name: string
}

function judgeOne(secrets: Secrets, seen: Seen, { caller, call, input, handle, name }: Judged): Failure | null {
  if (!secrets.has(name)) return lost(name)
  if (secrets.spelled(handle) === undefined) return partial(name)
  const problem = misplaced(input, (each) => secrets.spelled(each)?.text)
  if (problem !== '') return { code: 'denied', message: `${call.name} cannot use the secret ${name} there.`, hint: problem }
  const policy = secrets.policyOf(name)
  const isNamed = policy?.calls.includes(call.name) === true
  // What it has read in a file is there already.
  if (isInside(call) && seen.has(caller.session, name)) return null
  if (!isNamed) return refused(name, call)
  if (!mayUse(caller, name)) return notGiven(name, call, caller)
  if (isInside(call)) return null
  const hosts = hostsOf(call, input)
  return mayReach(policy, hosts) ? null : wrongHost(name, call, hosts)
}

interface Variable {
  readonly name: string
  readonly variable: string
  readonly value: string
}

/**
 * Variables of a command. One with network that names no hosts has a secret only if it names the secret or its variable, because it will
 * then reach the hosts of the secret only.
 */
function variablesFor(secrets: Secrets, call: Call, input: unknown, used: ReadonlySet<string>): readonly Variable[] {
  if (!isObject(input)) return []
  const hosts = isOnline(call) ? hostsOf(call, input) : []
  return [...secrets.policies()].flatMap(([name, policy]) => {
    const { env: variable, calls, hosts: allowed } = policy
    const value = secrets.valueOf(name)
    if (variable === '' || value === undefined || !calls.includes(call.name)) return []
    const isOpen = isOnline(call) && !allowed.includes('*') && hosts?.length === 0
    const isMeant = !isOpen || readsVariable(input['command'], variable)
    return used.has(name) || (isMeant && (!isOnline(call) || mayReach(policy, hosts))) ? [{ name, variable, value }] : []
  })
}

/** A command that receives secrets reaches only hosts that all of them allow. */
function narrow(secrets: Secrets, call: Call, input: unknown, names: readonly string[]): unknown {
  if (!isOnline(call) || !isObject(input) || !Array.isArray(input['hosts']) || input['hosts'].length > 0) return input
  const lists = names.map((name) => secrets.policyOf(name)?.hosts ?? []).filter((hosts) => !hosts.includes('*'))
  if (lists.length === 0) return input
  const shared = lists.reduce((before, hosts) => before.filter((host) => hosts.includes(host)))
  return { ...input, hosts: shared.length === 0 ? [nowhere] : shared }
}

interface Guard {
  readonly origin: Origin
  readonly env: Readonly<Record<string, string>>
  /** Called with the name of each secret in a reply. */
  readonly note: (name: string) => void
}

function guarded(secrets: Secrets, sandbox: Sandbox, { origin, env, note }: Guard): Sandbox {
  const hideCut = createDeepHide((text, onFound) =>
    text
      .split(omission)
      .map((piece) => secrets.hideCut(piece, onFound))
      .join(''),
  )
  const cleaned = <Reply extends object>(reply: Reply): Reply => {
    const fields = Object.entries(reply).map(([key, value]) => {
      const isText = typeof value === 'string' && textFields.includes(key)
      return [key, isText ? secrets.learn(value, origin, note) : value] as const
    })
    return hideCut(Object.fromEntries(fields) as Reply, note)
  }
  return {
    get status() {
      return sandbox.status
    },
    close: () => sandbox.close(),
    async hands(profile): Promise<Hands> {
      const hands = await sandbox.hands(profile)
      return {
        async ask(op, input, options) {
          const hasEnv = (op === 'exec' || op === 'sessionOpen') && Object.keys(env).length > 0
          const reply = await hands.ask(op, hasEnv ? { ...input, env } : input, options)
          return internalOps.includes(op) ? reply : cleaned(reply)
        },
      }
    },
  }
}

function readsVariable(command: unknown, variable: string): boolean {
  return typeof command === 'string' && (command.includes(`$${variable}`) || command.includes(`\${${variable}`))
}

/** @returns the hosts that the call may reach; empty for a command that names none, null when nobody knows them before it runs */
function hostsOf(call: Call, input: unknown): readonly string[] | null {
  if (!isObject(input)) return null
  const { url, hosts } = input
  if (isOnline(call)) return Array.isArray(hosts) ? hosts.map(String) : null
  if (call.right !== 'web.read' || typeof url !== 'string' || !URL.canParse(url)) return null
  return [new URL(url).host]
}

/** A command without hosts of its own is limited to the secret's. */
function mayReach({ hosts: allowed }: SecretPolicy, hosts: readonly string[] | null): boolean {
  if (allowed.includes('*')) return true
  return allowed.length > 0 && hosts !== null && hosts.every((host) => allowed.some((each) => covers(each, host)))
}

/** @param allowed `api.example.com`, `*.example.com`, each perhaps with a port; without one, any port */
function covers(allowed: string, host: string): boolean {
  const [allowedName, allowedPort] = splitHost(allowed)
  const [name, port] = splitHost(host)
  if (allowedPort !== '' && allowedPort !== port) return false
  if (!allowedName.startsWith('*.')) return allowedName === name
  return name.endsWith(allowedName.slice(1)) && (name === allowedName || !name.includes('*'))
}

function splitHost(host: string): readonly [name: string, port: string] {
  const [, name = '', port = ''] = /^(.*?)(?::([0-9]{1,5}))?$/.exec(host.toLowerCase()) ?? []
  return [name, port]
}

function refused(name: string, call: Call): Failure {
  const inside = isInside(call)
  const way = inside ? ' Or read the file that has it first: what a session has read in a file, it may write there.' : ''
  return {
    code: 'denied',
    message: `${call.name} may not use the secret ${name}.`,
    hint: `A person can allow it: oxbow secret allow ${name} --call ${call.name}${inside ? '' : ' --host HOST'}.${way}`,
  }
}

function wrongHost(name: string, call: Call, hosts: readonly string[] | null): Failure {
  const where = hosts === null ? 'Where it goes is not known before it runs' : `It would go to ${hosts.join(', ') || 'any host'}`
  const host = hosts === null ? "'*'" : (hosts[0] ?? 'HOST')
  return {
    code: 'denied',
    message: `${call.name} may not send the secret ${name} there.`,
    hint: `${where}. A person can allow a host: oxbow secret allow ${name} --call ${call.name} --host ${host}.`,
  }
}

/** After a restart without a key to seal it, or once a person has released it. As text, the handle would destroy what it stands for. */
function lost(name: string): Failure {
  return {
    code: 'denied',
    message: `The value of ${name} is not known any more.`,
    hint: 'Read the text that has it again, and use what you read there.',
  }
}

function partial(name: string): Failure {
  return {
    code: 'denied',
    message: `This handle stands for a part of the secret ${name}, which cannot be used.`,
    hint: 'Read the text again so that it has the whole of it, and use that handle.',
  }
}
