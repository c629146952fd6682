/** `oxbow chat`, the default verb: connects to a guest, opens the screen, and prints the notices shown when a chat opens. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConnectionState } from '../../client/index.ts'
import { configFileIn, type HostEnv, usersFolder } from '../../runner/index.ts'
import { type Failure, isDerived, ownValue } from '../../base/index.ts'
import type { GuestStatus } from '../../protocol/index.ts'
import { builtinProviders, type Config } from '../../config/index.ts'
import { type Connection, type GuestChoice, guestSetup, withConnection } from '../guest-connection.ts'
import { maxListedSessions, maxShortGuestLives, setupLookMs, shortGuestLifeMs, shownServices } from '../limits.ts'
import { createPlainScreen } from '../screen/screen.ts'
import { createTtyScreen } from '../screen/tty-screen.ts'
import { columnsOf, isInteractive, printFailure, printLine, printText, type Terminal } from '../terminal.ts'
import { readRecent } from '../recent-records.ts'
import { askCatalog, type FoundService } from '../verbs/models.ts'
import { assertAgent, chooseAgent, findSession, newestSession } from '../verbs/sessions.ts'
import { isOffline, noticeLine, plainLine, plainText } from '../../terminal/index.ts'
import { runChat } from './chat-loop.ts'
import { banner } from './turn-printer.ts'

/** Options of `oxbow chat` and `oxbow tui`. */
export interface ChatOptions extends GuestChoice {
  readonly session?: string | undefined
  readonly continue?: boolean | undefined
  readonly folder?: string | undefined
  readonly agent?: string | undefined
}

/** @returns the exit code. */
export async function chat(options: ChatOptions, terminal: Terminal): Promise<number> {
  let { session } = options
  if (isInteractive(terminal)) await offerOnce(options, terminal)
  let place = ''
  if (options.folder !== undefined) {
    const { allowFolder } = await import('../kernel/folders.ts')
    place = await allowFolder(options.folder, options, terminal)
    printText(terminal, `  ${folderLine(place)}`)
  }
  let deaths = 0
  const onSession = (id: string): void => void (session = id)
  for (let isFirst = true; ; isFirst = false) {
    const beganAt = performance.now()
    const failure = await chatOnce({ ...options, session }, terminal, { isFirst, place, onSession })
    if (failure === null) return 0
    deaths = performance.now() - beganAt < shortGuestLifeMs ? deaths + 1 : 1
    // A pipe has read ahead in its input, so it is unknown which part is lost.
    const goesOn = failure.code === 'guest_unreachable' && isInteractive(terminal) && deaths <= maxShortGuestLives
    if (!goesOn) return printFailure(terminal, failure)
    printText(terminal, `  — ${plainText(failure.message).replace(/\.$/, '')}; starting another guest —`)
  }
}

/** Where `--folder` leads, for the person. */
export const folderLine = (place: string): string => `Agents see the folder as ${plainLine(place, 400)}: name it in your message.`

interface Round {
  /** True until the banner is printed. */
  readonly isFirst: boolean
  /** Folder that agents must see, as they know it; empty: none was named. */
  readonly place: string
  readonly onSession: (id: string) => void
}

function chatOnce(options: ChatOptions, terminal: Terminal, { isFirst, place, onSession }: Round): Promise<Failure | null> {
  return withConnection(options, terminal, async (connection) => {
    const { gateway, guest, setup } = connection
    if (place !== '') await (await import('../kernel/folders.ts')).assertShown(place, gateway, setup)
    const session = options.session ?? (options.continue === true ? (await newestSession(gateway)).id : undefined)
    if (options.agent !== undefined && isFirst) {
      if (session === undefined) await assertAgent(gateway, options.agent)
      else await chooseAgent(gateway, (await findSession(gateway, session)).id, options.agent)
    }
    const status = await gateway.status()
    if (isFirst) printLine(terminal, banner(status, terminal.version, columnsOf(terminal.output)))
    const person = isInteractive(terminal)
    const makeScreen = person ? createTtyScreen(terminal.env['TERM'] === 'dumb') : createPlainScreen
    return runChat({
      gateway,
      makeScreen: (events) => makeScreen(terminal.input, terminal.output, events),
      recent: ({ id }) => readRecent(setup, id),
      model: options.model,
      agent: options.agent,
      user: options.user,
      session,
      onSession,
      workspaces: usersFolder(setup.home),
      oneByOne: !person,
      now: () => performance.now(),
      gone: connection.gone,
      news(tell) {
        // A pipe gets only the conversation.
        const connectionNews = createConnectionNews(person ? tell : () => {})
        connection.onConnection(connectionNews)
        if (person) connection.onNotice((notice) => void noticeLine(notice, gateway).then(({ line }) => tell(`  ${line}`)))
        const { config } = setup
        // A new guest resumes interrupted turns; with a guest of another terminal, running turns are expected.
        if (person && isFirst && session === undefined && guest.owned) void tellOfInterrupted(gateway, tell)
        if (person && needsSetup({ status, config, env: terminal.env })) void tellOfServices(connection, options, terminal, tell)
      },
    })
  })
}

/** Of the person's conversations: agents, schedules and graphs go on by themselves, and `/continue` never leads to them. */
export async function tellOfInterrupted(gateway: Connection['gateway'], tell: (text: string) => void): Promise<void> {
  const running = (await gateway.listSessions(maxListedSessions).catch(() => [])).filter(({ id, busy }) => busy && !isDerived(id))
  const [newest] = running
  if (newest === undefined) return
  const title = JSON.stringify(plainLine(newest.title, interruptedTitleChars))
  const what =
    running.length === 1
      ? `The turn in ${title} was interrupted and is running again`
      : `${running.length} turns were interrupted and are running again`
  tell(`  ${what}; /continue goes ${running.length === 1 ? 'there' : `to the newest, ${title}`}.`)
}

const interruptedTitleChars = 40

export async function tellOfServices(
  { setup }: Pick<Connection, 'setup'>,
  choice: GuestChoice,
  terminal: Terminal,
  tell: (text: string) => void,
): Promise<void> {
  const asked = askCatalog({ ask: 'models', provider: '', discover: true }, choice, terminal)
  const text = await lookForServices(asked, configFileIn(setup.home), setupLookMs)
  if (text !== null) tell(text)
}

/** Prints one line when the connection is lost and one when it is restored, however many attempts it takes. */
export function createConnectionNews(tell: (text: string) => void): (state: ConnectionState) => void {
  let isLost = false
  return ({ type }) => {
    if (type === 'gone' || (type === 'reconnecting') === isLost) return
    isLost = type === 'reconnecting'
    tell(isLost ? '  — connection to the guest lost; reconnecting —' : '  — reconnected —')
  }
}

/** Offers `oxbow init` at the first start in a terminal that has no model; every later start costs a look at the configuration. */
export async function offerOnce(choice: GuestChoice, terminal: Terminal): Promise<void> {
  const { home, workspace, config, env } = guestSetup(choice, terminal)
  const { model } = config
  const isChosen = model.provider !== 'auto' || model.name !== '' || model.base_url !== '' || isCi(env)
  const hasKey = (): boolean =>
    Object.values(builtinProviders).some(({ keyEnv, baseUrlEnv }) =>
      [...keyEnv, baseUrlEnv ?? ''].some((name) => (ownValue(env, name) ?? '') !== ''),
    )
  // A store that exists was used without a model before, or holds a key.
  if (isChosen || hasKey() || existsSync(join(workspace.root, 'internal', 'oxbow.db'))) return
  const mark = join(home.runner, 'setup-offered')
  if (existsSync(mark)) return
  writeFileSync(mark, '', { mode: 0o600 })
  const { offerSetup } = await import('../verbs/init.ts')
  await offerSetup(choice, terminal)
}

function isCi(env: HostEnv): boolean {
  return !['', '0', 'false'].includes((env['CI'] ?? '').trim().toLowerCase())
}

// First-run set-up: when no model is configured, the chat shows the model services on this machine. The search runs in the background
// and prints nothing when it fails or finds none.

interface Setup {
  readonly status: Pick<GuestStatus, 'model'>
  readonly config: Pick<Config, 'model'>
  readonly env: Readonly<Record<string, string | undefined>>
}

/** True when the offline interpreter runs by default. False when a person chose it, and in CI. */
export function needsSetup({ status, config: { model }, env }: Setup): boolean {
  return isOffline(status) && model.provider === 'auto' && model.name === '' && !isCi(env)
}

/**
 * @param services services found on this machine, one at a time; abandoned when the time is up
 * @param configFile file that the suggested lines belong in
 * @returns the text to show, or null; never rejects
 */
export async function lookForServices(services: AsyncGenerator, configFile: string, lookMs: number): Promise<string | null> {
  const over = Promise.withResolvers<null>()
  const timer = setTimeout(() => over.resolve(null), lookMs)
  const found: FoundService[] = []
  const look = async (): Promise<FoundService[]> => {
    for await (const service of services) found.push(service as FoundService)
    return found
  }
  const looked = look().catch(() => found)
  const all = (await Promise.race([looked, over.promise])) ?? [...found]
  clearTimeout(timer)
  // A generator in the middle of a step ends after that step.
  void services.return(undefined).catch(() => {})
  return describeSetup(all, configFile)
}

function describeSetup(found: readonly FoundService[], configFile: string): string | null {
  const usable = found.filter(({ configLines }) => configLines.length > 0)
  const [first, ...others] = usable
  if (first === undefined) return null
  const more = others.slice(0, shownServices).map(({ name, baseUrl }) => `${name} at ${baseUrl}`)
  return plainText(
    [
      `${first.name} runs on this machine. To use its model ${first.models[0]?.name ?? ''}, start oxbow again with this in`,
      `${configFile}:`,
      ...first.configLines.map((line) => (line === '' ? '' : `    ${line}`)),
      ...(more.length === 0 ? [] : [`Also here: ${more.join(', ')}.`]),
      'oxbow models --discover shows all models and how to use each service.',
    ].join('\n'),
  )
}
