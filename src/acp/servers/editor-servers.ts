/**
 * The servers of tools that an editor names. With the first message of a session the person is asked about each one that they have not
 * decided about: first whether its program may run in the sandbox, then, with its tools before them, whether agents may use those. What they
 * allow is a server of `oxbow servers`, which every later session uses without a question; what they never want is one that is off.
 */
import type { McpServer, McpServerStdio, PermissionOption, RequestPermissionResponse } from '@agentclientprotocol/sdk'
import { plainLine } from '../../terminal/index.ts'
import { failureSentences, OxbowError, ownValue, toFailure, untilAborted } from '../../base/index.ts'
import type { Editor } from '../editor.ts'
import type { GuestLink } from '../guest-link.ts'
import { maxAskedServers, maxEditorServers, maxLogChars } from '../limits.ts'
import type { AcpPorts, HeldServer } from '../ports.ts'
import { fencedCode, textContent } from '../tool-view.ts'
import { adviceText, extendQuestion, installText, type Question, runQuestion, toolsQuestion } from './server-questions.ts'
import { isSame, longName, placeOf, readServer, secretName, settingsOf, type WantedServer } from './wanted-server.ts'

export interface EditorServers {
  /**
   * Asks about those that run a program. Never throws: a message is sent without the servers that fail.
   * @param folder of the person, in which the editor works
   * @returns whether all was asked; if not, the next message tries again
   */
  offer(session: string, servers: readonly McpServer[], folder: string, signal: AbortSignal): Promise<boolean>
}

export interface ServersDeps {
  readonly editor: Editor
  readonly link: GuestLink
  readonly ports: AcpPorts
}

/** What lasts as long as the editor. */
interface Memory {
  /** Programs that were refused or failed: they are not asked about again. */
  readonly settled: Set<string>
  /** Values of secrets that are stored, by name. */
  readonly stored: Map<string, string>
}

/** One server in one session. */
interface Step {
  readonly session: string
  readonly signal: AbortSignal
  readonly wanted: WantedServer
  readonly name: string
  readonly held: HeldServer | undefined
}

type Deps = ServersDeps & Memory

export function createEditorServers(shared: ServersDeps): EditorServers {
  const deps: Deps = { ...shared, settled: new Set(), stored: new Map() }
  let isAsking = false
  return {
    async offer(session, servers, folder, signal) {
      const programs = servers.filter((server): server is McpServerStdio => 'command' in server)
      if (programs.length === 0) return true
      // Its servers are likely the same ones: the person is asked about each once.
      if (isAsking) {
        say(deps, session, ['You are being asked about the servers of the editor in another thread; this message goes on without them.'])
        return false
      }
      isAsking = true
      try {
        await offerAll(deps, session, programs, folder, signal)
      } catch (error) {
        say(deps, session, [`The servers of the editor are not connected: ${failureSentences(toFailure(error, 'tool_failed', ''))}`])
      } finally {
        isAsking = false
      }
      return !signal.aborted
    },
  }
}

async function offerAll(
  deps: Deps,
  session: string,
  programs: readonly McpServerStdio[],
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const { ports, link } = deps
  const held = await ports.servers.list(await link.gateway())
  const { steps, problems } = stepsOf(deps, session, programs, held, folder, signal)
  const used = steps.filter((step) => (step.held?.approved ?? 0) > 0)
  const allowed: Step[] = []
  for (const step of steps.filter((each) => !used.includes(each)))
    if (step.held !== undefined || (await mayRun(deps, step))) allowed.push(step)
  say(deps, session, problems)
  const ready = await storeSecrets(deps, [...used, ...allowed])
  const approved: Step[] = []
  for (const step of allowed.filter((each) => ready.includes(each))) if (await introduce(deps, step)) approved.push(step)
  for (const step of used) if (await extend(deps, step)) approved.push(step)
  await grantAll(deps, approved)
}

/** @returns servers to ask about or to use, each with its name, and why others are left out */
function stepsOf(
  { ports, settled }: Deps,
  session: string,
  programs: readonly McpServerStdio[],
  held: readonly HeldServer[],
  folder: string,
  signal: AbortSignal,
): { readonly steps: readonly Step[]; readonly problems: readonly string[] } {
  const place = placeOf(folder, ports)
  const taken = new Set(held.map(({ name }) => name))
  const steps: Step[] = []
  const problems: string[] = []
  const left: string[] = []
  const take = (program: McpServerStdio): void => {
    const title = plainLine(program.name, maxShownName)
    const wanted = readServer(program, place, ports)
    if (typeof wanted === 'string') return void problems.push(`Not connected: ${title}: ${wanted}`)
    const same = held.find(({ settings }) => isSame(settings, wanted))
    if (same?.enabled === false || settled.has(wanted.key) || steps.some((step) => step.wanted.key === wanted.key)) return
    const isOver = same === undefined && steps.filter((step) => step.held === undefined).length >= maxAskedServers
    const name = same?.name ?? [wanted.slug, longName(wanted)].find((each) => !taken.has(each))
    if (isOver) return void left.push(title)
    if (name === undefined) return void problems.push(`Not connected: ${title}: other servers have its names.`)
    if (same === undefined && wanted.fetched !== null) {
      settled.add(wanted.key)
      return void problems.push(installText(wanted, name))
    }
    taken.add(name)
    steps.push({ session, signal, wanted, name, held: same })
  }
  programs.slice(0, maxEditorServers).forEach(take)
  const more = programs.length - maxEditorServers
  const names = [...left, ...(more > 0 ? [`${more} more`] : [])].join(', ')
  if (names !== '') problems.push(`Not connected: ${names}. A thread asks about ${maxAskedServers} servers at most.`)
  return { steps, problems }
}

const maxShownName = 50

function say({ editor, ports }: Deps, session: string, texts: readonly string[]): void {
  for (const text of texts) {
    ports.log(text)
    editor.update(session, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: `${text}\n\n` } })
  }
}

type Answer = 'allow' | 'reject' | 'never'

const reject: PermissionOption = { optionId: 'reject', kind: 'reject_once', name: 'No, not now' }
const never: PermissionOption = { optionId: 'never', kind: 'reject_always', name: 'Never: keep it switched off' }

/** @throws where the editor cannot ask, or the signal aborts */
async function ask({ editor }: Deps, step: Step, { title, text }: Question, allow: string, others = [reject, never]): Promise<Answer> {
  const options: PermissionOption[] = [{ optionId: 'allow', kind: 'allow_always', name: allow }, ...others]
  const view = { toolCallId: callOf(step), title, kind: 'other' as const, status: 'pending' as const, content: [textContent(text)] }
  editor.update(step.session, { sessionUpdate: 'tool_call', ...view })
  return answerOf(await editor.ask({ sessionId: step.session, toolCall: view, options }, step.signal), options)
}

/** An answer that was not offered, and a question that was closed, allow nothing. */
function answerOf({ outcome }: RequestPermissionResponse, options: readonly PermissionOption[]): Answer {
  const chosen = outcome.outcome === 'selected' ? options.find(({ optionId }) => optionId === outcome.optionId) : undefined
  return (chosen?.optionId as Answer | undefined) ?? 'reject'
}

const callOf = ({ session, name }: Step): string => `server:${session}:${name}`

function show({ editor }: Deps, step: Step, status: 'in_progress' | 'completed' | 'failed', text: string): void {
  editor.update(step.session, { sessionUpdate: 'tool_call_update', toolCallId: callOf(step), status, content: [textContent(text)] })
}

/**
 * Shows why a step failed. It is asked about again by the next editor, or by the next message if this one was cancelled.
 * @param log what its program has written last, which says more than the hint of the failure
 */
function fail(deps: Deps, step: Step, error: unknown, advice: string, log = ''): void {
  const { name, signal, wanted } = step
  if (signal.aborted) return show(deps, step, 'failed', `${name} was not decided about.`)
  const { message, hint } = toFailure(error, 'tool_failed', '')
  deps.settled.add(wanted.key)
  deps.ports.log(`${name}: ${message}`)
  const sentence = /[.!?]$/.test(message) ? message : `${message}.`
  const parts = [sentence, log === '' ? hint : `It wrote:\n${fencedCode(log)}\n`, advice]
  show(deps, step, 'failed', parts.filter((text) => text !== '').join(' '))
}

/** The first question: whether the program may run at all. */
async function mayRun(deps: Deps, step: Step): Promise<boolean> {
  const { wanted, name, signal } = step
  if (signal.aborted) return false
  try {
    const answer = await ask(deps, step, runQuestion(wanted, name), 'Run it, and show me its tools')
    if (answer === 'allow') show(deps, step, 'in_progress', 'It starts when you have been asked about all of them.')
    if (answer === 'reject') refuse(deps, step)
    if (answer !== 'never') return answer === 'allow'
    const gateway = await deps.link.gateway()
    await deps.ports.servers.add(name, settingsOf(wanted, name), gateway)
    await switchOff(deps, step)
  } catch (error) {
    fail(deps, step, error, '')
  }
  return false
}

function refuse(deps: Deps, step: Step): void {
  deps.settled.add(step.wanted.key)
  show(deps, step, 'failed', `${step.name} is not used. The next start of the editor asks again.`)
}

async function switchOff(deps: Deps, step: Step): Promise<void> {
  await deps.ports.servers.switchOff(step.name, await deps.link.gateway())
  show(deps, step, 'failed', `${step.name} is off, and is not asked about again. \`oxbow servers remove ${step.name}\` makes it ask.`)
}

/** Keeps the values of the variables as secrets, and lets the guest know them. @returns the steps whose secrets it has */
async function storeSecrets(deps: Deps, steps: readonly Step[]): Promise<readonly Step[]> {
  const { ports, link, stored } = deps
  let isChanged = false
  const ready: Step[] = []
  for (const step of steps) {
    try {
      for (const [name, value] of secretsOf(step)) {
        if (stored.get(name) === value) continue
        const isNewValue = await ports.servers.storeSecret(name, value, await link.gateway())
        if (isNewValue && step.held !== undefined) say(deps, step.session, [`The editor has another value of ${name}, which is stored.`])
        isChanged ||= isNewValue
        stored.set(name, value)
      }
      ready.push(step)
    } catch (error) {
      fail(deps, step, error, `Store what its variables hold yourself: \`oxbow secret set ${secretsOf(step)[0]?.[0] ?? 'NAME'}\`.`)
    }
  }
  if (isChanged) await ports.servers.restart(await link.gateway())
  return ready
}

/** Secrets that were kept for this server; another secret of the person is never replaced. */
function secretsOf({ wanted, name, held }: Step): readonly (readonly [name: string, value: string])[] {
  return [...wanted.secrets].flatMap(([variable, value]) => {
    const own = secretName(name, variable)
    return held === undefined || ownValue(held.settings.env, variable) === `$${own}` ? [[own, value.trim()] as const] : []
  })
}

/** Starts the server and asks the second question. @returns whether its tools are approved */
async function introduce(deps: Deps, step: Step): Promise<boolean> {
  const { ports, link } = deps
  const { wanted, name, held, signal } = step
  if (signal.aborted) return false
  let isKept = held !== undefined
  try {
    const gateway = await link.gateway()
    if (held === undefined) await ports.servers.add(name, settingsOf(wanted, name), gateway)
    const offered = await untilAborted(ports.servers.look(name, gateway), signal)
    const question = toolsQuestion(name, wanted.title, offered)
    if (question.tools.length === 0 && !offered.resources && !offered.prompts) throw nothingOffered(name, question.text)
    const answer = await ask(deps, step, question, 'Yes, in all sessions')
    if (answer === 'allow') await ports.servers.approve(name, offered.digest, question.tools, await link.gateway())
    if (answer === 'reject') refuse(deps, step)
    if (answer === 'never') await switchOff(deps, step)
    isKept ||= answer !== 'reject'
    return answer === 'allow'
  } catch (error) {
    fail(deps, step, error, adviceText(name), await logOf(deps, step))
    return false
  } finally {
    if (!isKept) await forget(deps, step)
  }
}

function nothingOffered(name: string, text: string): OxbowError {
  return new OxbowError('tool_failed', `${name} has nothing that can be approved.`, { hint: text })
}

/** @returns the end of what its program has written, which often says what it lacks */
async function logOf({ ports, link }: Deps, { name, signal }: Step): Promise<string> {
  if (signal.aborted) return ''
  const held = await link
    .gateway()
    .then(ports.servers.list, () => [])
    .catch(() => [])
  return plainLine((held.find((each) => each.name === name)?.log ?? '').slice(-maxLogChars), maxLogChars)
}

/** Removes what was added for a question that was not answered with yes. */
async function forget({ ports, link, stored }: Deps, step: Step): Promise<void> {
  try {
    const gateway = await link.gateway()
    await ports.servers.remove(step.name, gateway)
    for (const [name] of secretsOf(step)) {
      stored.delete(name)
      await ports.servers.removeSecret(name, gateway)
    }
  } catch (error) {
    ports.log(`${step.name} was not removed: ${String(error)}`)
  }
}

/** A server that is approved may lack this folder, or the agent its right. @returns whether the agent gets the right */
async function extend(deps: Deps, step: Step): Promise<boolean> {
  const { ports, link } = deps
  const { wanted, name, held, signal } = step
  const settings = held === undefined ? null : withFolder(held.settings, wanted)
  const isRight = !ports.servers.hasRight(`mcp.${name}`)
  if ((settings === null && !isRight) || signal.aborted) return false
  try {
    const question = extendQuestion(name, wanted, settings === null ? '' : wanted.place.shown, isRight)
    if ((await ask(deps, step, question, 'Yes', [reject])) !== 'allow') {
      deps.settled.add(wanted.key)
      show(deps, step, 'failed', `${name} stays as it is.`)
      return false
    }
    if (settings !== null) await ports.servers.add(name, settings, await link.gateway())
    show(deps, step, 'completed', `${name} can be used.`)
    return isRight
  } catch (error) {
    fail(deps, step, error, '')
    return false
  }
}

/** @returns the settings with the folder of the editor; null where it has that, or where they are not all known or not ours to change */
function withFolder(settings: HeldServer['settings'], { place, plain }: WantedServer): HeldServer['settings'] | null {
  const sees = settings.folders.some((folder) => folder.replace(/:rw$/, '') === place.shown)
  const env = Object.entries(settings.env).map(([variable, value]) => [variable, value === '' ? plain.get(variable) : value] as const)
  if (place.shown === '' || sees || env.some(([, value]) => value === undefined)) return null
  return { ...settings, env: Object.fromEntries(env) as Record<string, string>, folders: [...settings.folders, `${place.shown}:rw`] }
}

/** Gives the agent the rights, and lets the guest know them. Also after a cancellation: the person has said yes. */
async function grantAll(deps: Deps, steps: readonly Step[]): Promise<void> {
  const { ports, link } = deps
  let problem = ''
  try {
    const missing = steps.map(({ name }) => `mcp.${name}`).filter((right) => !ports.servers.hasRight(right))
    missing.forEach(ports.servers.grant)
    if (missing.length > 0) await ports.servers.restart(await link.gateway())
  } catch (error) {
    const { message } = toFailure(error, 'tool_failed', '')
    problem = ` It has them with the next start of the guest: ${message} \`oxbow restart\``
  }
  for (const step of steps) show(deps, step, 'completed', `The agent has the tools of ${step.name} (right mcp.${step.name}).${problem}`)
}
