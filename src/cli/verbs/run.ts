/** `oxbow run`: one turn, its reply on stdout, everything else on stderr. */
import { fstatSync } from 'node:fs'
import { openHome, usersFolder } from '../../runner/index.ts'
import { createIdMaker, failureSentences, folderNote, isOxbowError, OxbowError, systemClock, systemRandom } from '../../base/index.ts'
import { answerTo, type TurnView, unreportedFailure } from '../../protocol/index.ts'
import type { CallId, SessionId, TurnId } from '../../base/index.ts'
import type { GuestStatus, PendingApproval, SentFile } from '../../protocol/index.ts'
import { exitOf, isInteractive, printFailure, printLine, printNotice, reportFailure, type Terminal } from '../terminal.ts'
import { type GatewayPort, type GuestChoice, outputOf, withLastingGuest } from '../guest-connection.ts'
import { type FollowEvent, type SentMessage, watchTurn } from '../../client/index.ts'
import { chooseAgent, findSession, newestSession, newSession, removeUnused } from './sessions.ts'
import { assertFewFiles, findLocalFile, uploadFiles } from '../own-files.ts'
import { isYes, onInterrupt, readPiped } from '../input.ts'
import { exactInput, mediaLine, plainText, whyAsked } from '../../terminal/index.ts'
import { openLineWriter } from '../screen/screen.ts'
import { createReplyStream } from '../view/reply-stream.ts'
import { ofUser } from '../verb-parts.ts'

export interface RunOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly session?: string | undefined
  readonly continue?: boolean | undefined
  readonly yes?: boolean | undefined
  readonly attach?: readonly string[] | undefined
  readonly folder?: string | undefined
  readonly agent?: string | undefined
}

/** @returns the exit code. */
export async function run(words: readonly string[], options: RunOptions, terminal: Terminal): Promise<number> {
  const typed = words.join(' ').trim()
  const piped = await readPiped(terminal.input, typed !== '')
  const text = [typed, piped].filter((part) => part !== '').join('\n\n')
  if (text === '') {
    throw new OxbowError('bad_input', 'there is no message', { hint: 'Give a message: oxbow run "list the files here"' })
  }
  // Checked before a guest is started.
  const workspaces = usersFolder(openHome(terminal.env))
  const files = await Promise.all((options.attach ?? []).map((path) => findLocalFile(path, workspaces)))
  assertFewFiles(files.length)
  const place = await placeOf(options, terminal)
  const sender = createSender(place === null ? text : text + folderNote(place.path, 'Work'), files, options)
  const onProgress = newOutcomes()
  const decided = new Set<CallId>()
  let isFirst = true
  const ran = await withLastingGuest(options, terminal, async ({ gateway, setup }, { lost, progressed }) => {
    // A turn runs where it was asked for, or not at all.
    if (place !== null) await Promise.race([place.assertShown(place.path, gateway, setup), lost])
    if (isFirst && options.json !== true) sayWhatIsMissing(await Promise.race([gateway.status(), lost]), terminal)
    isFirst = false
    const { session, turn, cursor } = await Promise.race([sender.send(gateway), lost])
    const isProgress = (event: FollowEvent): void => void (onProgress(event) && progressed())
    return finishTurn({ gateway, lost, session, turn, cursor, options, terminal, decided, onEvent: isProgress })
  }).catch((error: unknown) => {
    if (sender.session() === undefined || options.json === true) throw error
    return { exit: reportFailure(terminal, error), isOpen: true }
  })
  if (ran.isOpen && options.json !== true) {
    const user = ofUser(options.user)
    const id = sender.session() ?? ''
    printNotice(
      terminal,
      `notice: the session is ${id}; oxbow run --continue "…"${user} or oxbow run --session ${id} "…"${user} continues it`,
    )
  }
  return ran.exit
}

/** @returns the folder in which the agent is to work, as it knows it; null: none was named */
async function placeOf(options: RunOptions, terminal: Terminal) {
  if (options.folder === undefined) return null
  const { allowFolder, assertShown } = await import('../kernel/folders.ts')
  return { path: await allowFolder(options.folder, options, terminal), assertShown }
}

/** @returns a function that tells whether an event is a new outcome: after a restart, earlier ones are sent again. */
function newOutcomes(): (event: FollowEvent) => boolean {
  let last = 0
  return (event) => {
    if (event.type !== 'record' || event.record.phase !== 'outcome' || event.record.seq <= last) return false
    last = event.record.seq
    return true
  }
}

interface Sender {
  /** Sends the message once; a repeated call skips the steps that are done. */
  send(gateway: GatewayPort): Promise<SentMessage & { readonly session: SessionId }>
  /** Undefined until the message is sent. */
  session(): SessionId | undefined
}

function createSender(text: string, files: Parameters<typeof uploadFiles>[0], options: RunOptions): Sender {
  const { session: prefix, model } = options
  const isNew = prefix === undefined && options.continue !== true
  const clientId = createIdMaker(systemClock, systemRandom)() as CallId
  let attachments: readonly SentFile[] | undefined
  let session: SessionId | undefined
  let sent: SentMessage | undefined
  const choose = async (gateway: GatewayPort): Promise<SessionId> => {
    if (isNew) return (await newSession(gateway, '', options.agent)).id
    const { id } = prefix === undefined ? await newestSession(gateway) : await findSession(gateway, prefix)
    if (options.agent !== undefined) await chooseAgent(gateway, id, options.agent)
    return id
  }
  return {
    session: () => (sent === undefined ? undefined : session),
    async send(gateway) {
      if (files.length > 0) attachments ??= await uploadFiles(files, gateway)
      const to = (session ??= await choose(gateway))
      sent ??= await gateway.sendTurn({ session: to, text, clientId, model, attachments }).catch(async (error: unknown) => {
        if (isNew) await removeUnused(gateway, to, error)
        throw error
      })
      return { ...sent, session: to }
    },
  }
}

/** Without a sandbox the agent has no tools, and without a model there is no agent, so the person should know why. */
function sayWhatIsMissing({ notice, sandbox: { tier, problem } }: GuestStatus, terminal: Terminal): void {
  // A script has chosen its model, or knows.
  if (notice !== '' && terminal.errors.isTTY) printNotice(terminal, `notice: ${plainText(notice)}`)
  if (tier === 'none' && problem !== null) printNotice(terminal, `notice: ${plainText(failureSentences(problem))}`)
}

interface Finish {
  readonly gateway: GatewayPort
  /** Rejects when the guest is gone. */
  readonly lost: Promise<never>
  readonly session: SessionId
  readonly turn: TurnId
  readonly cursor: number
  readonly options: Pick<RunOptions, 'json' | 'yes' | 'user'>
  readonly terminal: Terminal
  /** Calls that were decided here: a guest that is started for the rest of the turn tells of them again. */
  readonly decided: Set<CallId>
  readonly onEvent: (event: FollowEvent) => void
}

interface Ran {
  readonly exit: number
  /** The turn did not complete, and a person may want to continue it. */
  readonly isOpen: boolean
}

/** Waits for the turn, decides its approvals where that is possible, and prints how it ended. */
async function finishTurn({ gateway, lost, session, turn, cursor, options, terminal, decided, onEvent }: Finish): Promise<Ran> {
  // The same call may ask again of the same guest, for files that have changed meanwhile.
  const decidedBefore: ReadonlySet<CallId> = new Set(decided)
  const streams = terminal.output.isTTY && options.json !== true
  const reply = createReplyStream(openLineWriter(terminal.output).stream)
  const stuck = Promise.withResolvers<PendingApproval>()
  const over = new AbortController()
  const decide = async (pending: PendingApproval): Promise<void> => {
    if (decidedBefore.has(pending.call))
      return printNotice(terminal, plainText(`notice: ${pending.name} was decided before the guest ended. ${mayBePartial}`))
    const isAnswered = options.yes === true && pending.personal !== true
    if (!isAnswered && !isInteractive(terminal)) return stuck.resolve(pending)
    if (!isAnswered) reply.breakLine()
    const allow = isAnswered || (await askPerson(pending, terminal, over.signal))
    if (over.signal.aborted) return
    const { next } = await outputOf(gateway, 'call.decide', { ...answerTo(pending), allow }).catch((error: unknown) => {
      // Another terminal was faster, or it ended with the guest: the turn goes on all the same.
      if (isOxbowError(error, 'not_found'))
        printNotice(terminal, plainText(`notice: ${pending.name} does not wait any more. ${mayBePartial}`))
      // A yes alone is no answer to it: it waits as before.
      else if (isOxbowError(error, 'bad_input')) stuck.resolve({ ...pending, reason: error.message })
      else throw error
      return { next: '' }
    })
    decided.add(pending.call)
    if (next === '') return
    if (!isInteractive(terminal)) return stuck.resolve({ ...pending, reason: next })
    printNotice(terminal, plainText(next))
  }
  // One question at a time, in the order of the calls.
  let questions = Promise.resolve()
  const failed = Promise.withResolvers<never>()
  const watching = watchTurn({
    gateway,
    session,
    turn,
    cursor,
    onEvent: (event, view) => {
      onEvent(event)
      if (streams) reply.take(event, view.turn)
    },
    onPending: (pending) => void (questions = questions.then(() => decide(pending)).catch(failed.reject)),
  })
  const watch = await Promise.race([watching, lost])
  const cancel = (): void => void gateway.cancelTurn(session).catch(failed.reject)
  const ignoreInterrupt = onInterrupt(cancel)
  try {
    const ended = await Promise.race([watch.over, stuck.promise, failed.promise, lost])
    if ('call' in ended) return { exit: reportWaiting(ended, watch.view(), { session, options, terminal }), isOpen: false }
    if (streams) reply.finish(ended.reply)
    return { exit: reportEnd(ended, { session, options, terminal }), isOpen: ended.status !== 'ok' }
  } finally {
    ignoreInterrupt()
    over.abort()
    watch.stop()
    reply.breakLine()
  }
}

const mayBePartial = 'If it had begun, its effect may be partial: look before you have it repeated. The turn goes on.'

function askPerson(pending: PendingApproval, terminal: Terminal, over: AbortSignal): Promise<boolean> {
  const exact = `${exactInput(pending.input)}${whyAsked(pending.reason)}`
  return isYes('allow?', terminal, { shown: `${plainText(pending.name)} asks to run with exactly this input:\n  ${exact}`, over })
}

type Report = Pick<Finish, 'session' | 'options' | 'terminal'>

function reportWaiting(pending: PendingApproval, view: TurnView, report: Report): number {
  const { terminal, options } = report
  if (options.json === true) printLine(terminal, JSON.stringify(toJson(view, report, 'waiting', [pending])))
  return printFailure(terminal, {
    code: 'approval_required',
    message: `${pending.name} is waiting for approval, with exactly this input: ${exactInput(pending.input)}${whyAsked(pending.reason)}`,
    hint: `oxbow approve ${pending.call}${ofUser(options.user)} runs it and finishes the turn; add --deny to refuse it.`,
  })
}

function reportEnd(view: TurnView, report: Report): number {
  const { terminal, options } = report
  if (options.json === true) printLine(terminal, JSON.stringify(toJson(view, report, view.status, [])))
  else if (!terminal.output.isTTY && view.reply !== '') printLine(terminal, plainText(view.reply))
  if (options.json !== true && view.media.length > 0) {
    printNotice(
      terminal,
      [
        ...view.media.map((sent) => `sent: ${mediaLine(sent)}`),
        `oxbow media ${report.session}${ofUser(options.user)} --save FOLDER saves it`,
      ].join('\n'),
    )
  }
  if (view.status === 'ok' && view.failure === null) return 0
  // Where both streams are seen together the reply already shows it; a program may read only one of them.
  if (view.failure !== null && isSeenTogether(terminal) && options.json !== true && unreportedFailure(view) === null)
    return exitOf(view.failure.code)
  if (view.failure !== null) return printFailure(terminal, view.failure)
  return exitOf(view.status === 'cancelled' ? 'cancelled' : 'limit_reached')
}

/** On a terminal, or where both streams are written to one file or pipe: `2>&1`. */
function isSeenTogether({ output, errors }: Terminal): boolean {
  if (output.isTTY) return true
  const [out, err] = [output, errors].map((stream) => ('fd' in stream && typeof stream.fd === 'number' ? fstatSync(stream.fd) : null))
  return out != null && err != null && out.ino === err.ino && out.dev === err.dev
}

/** Output of `--json`: one object with stable snake_case keys. */
function toJson(view: TurnView, { session }: Report, status: string, pending: readonly PendingApproval[]): object {
  return {
    session,
    turn: view.turn,
    status,
    reply: view.reply,
    failure: view.failure,
    media: view.media.map(({ kind, name, media_type, bytes, pieces, caption }) => ({ kind, name, media_type, bytes, pieces, caption })),
    calls: view.calls.map(({ call, name, status: ended, ms }) => ({ id: call, name, status: ended, ms })),
    pending: pending.map(({ call, name, input, reason }) => ({ id: call, name, input, reason })),
    usage: {
      input_tokens: view.usage.inputTokens,
      output_tokens: view.usage.outputTokens,
      micro_dollars: view.spent.microDollars,
    },
  }
}
