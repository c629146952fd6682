/**
 * Approvals by button. A button has 16 random bytes, by which a document says which call it decides, what exactly was asked, below which message
 * it is good and who may press it. It outlives restarts, and is good once.
 */
import { type CallId, derivedId, exactText, isObject, type SessionId, textIn, truncate } from '../../base/index.ts'
import { sectionOf } from '../../config/index.ts'
import { userCaller } from '../../kernel/index.ts'
import type { PendingApproval, RecordView } from '../../protocol/index.ts'
import {
  answerCall,
  type AskDoc,
  askCategory,
  change,
  type ChatDoc,
  deliveredCategory,
  newDelivery,
  outboxCategory,
} from './channel-records.ts'
import { type Delivery, type Identity } from './channel-schemas.ts'
import { askAsPerson, byKernel, type ChannelDeps, type Of } from './channel-deps.ts'
import type { Chats } from './chats.ts'
import { channelsConfig } from './config.ts'
import type { Identities } from './identities.ts'
import { maxShownInput } from './limits.ts'
import type { Outbox } from './outbox.ts'

/** A button that was pressed. */
interface Pressed {
  readonly channel: string
  readonly space: string
  readonly chat: string
  readonly message: string
  readonly sender: string
  readonly data: string
}

export interface Questions {
  /** Shows a call that waits where somebody may decide it. @returns whether there is such a place */
  ask(of: Of, session: SessionId, call: CallId): Promise<boolean>
  /** Shows that the end of a delivery is not known, with a button that shows it. */
  tellLost(delivery: Delivery): Promise<void>
  /** A call was decided elsewhere, or does not wait any more: its buttons go, and its message says so. */
  watch(record: RecordView): void
  /** @returns what the one who pressed is shown, and nobody else */
  press(of: Of, pressed: Pressed): Promise<string>
}

interface Parts {
  readonly chats: Chats
  readonly identities: Identities
  readonly outbox: Outbox
}

const tokenBytes = 16

export function createQuestions(deps: ChannelDeps, parts: Parts): Questions {
  const { documents, clock, random } = deps
  const { identities, outbox } = parts
  const newToken = (): string => Buffer.from(random.bytes(tokenBytes)).toString('hex')
  /** Calls that are being decided by a button: that message says more of who did it. */
  const pressed = new Set<CallId>()
  const mayDecide = ({ id, role }: Identity): boolean => role === 'owner' || sectionOf(channelsConfig, deps.config).approvers.includes(id)
  return {
    ask: (of, session, call) => askIn(deps, parts, { mayDecide, newToken }, of, session, call),
    async tellLost(lost) {
      const id = derivedId('lost', lost.id)
      if (await outbox.has(id)) return
      const token = newToken()
      const { channel, space, chat, thread } = lost
      const buttons = [[{ label: 'Show it', data: `${token}:s` }]]
      const text = 'One of my messages may not have arrived.'
      const delivery = newDelivery(id, { channel, space, chat, thread, kind: 'notice', text, buttons, made_at: clock.now() })
      const doc: AskDoc = {
        kind: 'lost',
        channel,
        space,
        chat,
        message: '',
        identity: '',
        delivery: id,
        call: '',
        question: lost.id,
        name: '',
        input: '',
        decided: null,
      }
      await documents.put(byKernel(deps, 'channel.deliver'), [change(askCategory, token, doc), change(outboxCategory, id, delivery)])
      outbox.wake()
    },
    async press(of, button) {
      const [token = '', verb = ''] = button.data.split(':')
      const ask = /^[0-9a-f]{32}$/.test(token) ? ((await documents.get<AskDoc>(askCategory, token))?.value ?? null) : null
      if (ask === null || ask.channel !== button.channel) return 'This button no longer works.'
      if (ask.chat !== button.chat || ask.space !== button.space || (ask.message !== '' && ask.message !== button.message))
        return 'This button belongs to another message.'
      const who = await identities.find(button.channel, button.space, button.sender)
      if (who === null) return 'You are not linked, so you cannot decide this.'
      if (ask.identity !== '' && ask.identity !== who.id) return 'This question is for somebody else.'
      if (ask.kind === 'lost') return showLost(deps, outbox, of, ask, verb)
      if (!mayDecide(who)) return 'Only an owner or an approver may decide this.'
      if (ask.name === answerCall && who.role !== 'owner') return 'Only an owner may decide this.'
      if (ask.decided !== null) return lateAnswer(ask.decided)
      if (ask.call !== '') pressed.add(ask.call)
      try {
        return await decide({ ...deps, outbox }, of, token, ask, who, verb)
      } finally {
        if (ask.call !== '') pressed.delete(ask.call)
      }
    },
    watch(record) {
      const end = endOf(record)
      if (end !== null && !pressed.has(record.call)) void closeElsewhere(deps, outbox, record, end).catch(() => {})
    },
  }
}

/** How a call that waited was decided; `over`: it does not wait any more, and nobody has. */
type End = { readonly allow: boolean; readonly by: string } | 'over'

function endOf({ phase, body }: RecordView): End | null {
  if (phase === 'refused') return 'over'
  if (phase !== 'decided' || !isObject(body) || body['partial'] === true) return null
  return { allow: body['allow'] === true, by: textIn(body, 'by') }
}

/** A person has decided at a terminal, a rule has, or the turn was cancelled. */
async function closeElsewhere(deps: ChannelDeps, outbox: Outbox, { call, at }: RecordView, end: End): Promise<void> {
  const by = end === 'over' ? '' : end.by === `user:${deps.user}` ? `${deps.user}, at a terminal` : end.by
  const line = end === 'over' ? `**It is no longer waiting.** ${timeOf(at)}` : decidedLine(end.allow, by, at)
  await close(deps, outbox, (ask) => ask.call === call, { by, allow: end !== 'over' && end.allow, at }, line)
}

/** Takes the buttons of questions that are open, and says why below them. */
async function close(
  deps: ChannelDeps,
  outbox: Outbox,
  which: (ask: AskDoc) => boolean,
  decided: NonNullable<AskDoc['decided']>,
  line: string,
): Promise<void> {
  const { documents } = deps
  const found = (await documents.all<AskDoc>(askCategory)).filter(({ value }) => value.decided === null && which(value))
  for (const { name, value } of found) {
    const of = byKernel(deps, 'channel.ask')
    let isNew = false
    await documents.change<AskDoc>(of, askCategory, name, (now) => {
      isNew = now !== null && now.value.decided === null
      return isNew ? { ...now!.value, decided } : undefined
    })
    if (isNew) await outbox.reopen(of, value.delivery, (it) => ({ ...it, file: null, buttons: [], text: `${it.text}\n\n${line}` }))
  }
}

function lateAnswer({ allow, by }: NonNullable<AskDoc['decided']>): string {
  return by === '' ? 'It is no longer waiting.' : `It has already been ${allow ? 'allowed' : 'denied'} by ${by}.`
}

const timeOf = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC.`
const decidedLine = (allow: boolean, by: string, at: number): string =>
  `**${allow ? 'Allowed' : 'Denied'}** by ${wordsOf(by, 160)}, ${timeOf(at)}`

function buttonsOf(token: string, isCut: boolean): Delivery['buttons'] {
  const row = [
    { label: 'Allow once', data: `${token}:y` },
    { label: 'Deny', data: `${token}:n` },
  ]
  return isCut ? [row] : [row, [{ label: 'Show all', data: `${token}:s` }]]
}

/** Words of others in what we say: no format, no line and no sign that cannot be seen. */
const wordsOf = (text: string, maxChars: number): string =>
  exactText(truncate(text.replaceAll(/\s+/g, ' ').trim(), maxChars)).replaceAll(/[\\`*_[\]<>#|~!&]/g, '\\$&')

/** As it runs, with what could not be seen written out. */
const exactJson = (input: string): string => exactText(JSON.stringify(JSON.parse(input), null, 1))

/** What is shown is what runs: a long input comes as a file, whole. */
function shownOf({ name, input, reason = '', agent }: PendingApproval): { readonly text: string; readonly file: Delivery['file'] } {
  const head = `**Allow this?** \`${name}\`${agent === undefined ? '' : ` (${wordsOf(agent, 100)})`}`
  const pretty = exactJson(input)
  const fence = '`'.repeat(Math.max(3, ...(pretty.match(/`+/g) ?? []).map((run) => run.length + 1)))
  const isLong = pretty.length > maxShownInput
  const shown = `${fence}json\n${isLong ? truncate(pretty, maxShownInput) : pretty}\n${fence}`
  const why = reason === '' ? [] : [wordsOf(reason, 300)]
  const more = isLong ? ['The whole input is in the file.'] : []
  return { text: [head, ...why, shown, ...more].join('\n'), file: isLong ? { name: 'input.json', text: pretty } : null }
}

/**
 * In its own chat where whoever speaks there may decide, and nobody else reads what should stay with the owner; else the direct chat of an owner,
 * the one who has asked first.
 */
async function placeFor(
  { chats, identities }: Parts,
  chat: ChatDoc,
  { name, labels = [] }: Pick<PendingApproval, 'name' | 'labels'>,
  mayDecide: (identity: Identity) => boolean,
): Promise<Pick<ChatDoc, 'channel' | 'space' | 'chat' | 'thread'> | null> {
  const { channel, space, chat: id, thread } = chat
  const asker = await identities.get(chat.running?.identity ?? chat.person)
  const isOthers = name === answerCall || (chat.kind === 'group' && labels.includes('private'))
  if (asker !== null && mayDecide(asker) && !isOthers) return { channel, space, chat: id, thread }
  const owners = (await identities.all(channel)).filter(({ role }) => role === 'owner')
  for (const owner of owners.toSorted((a, b) => Number(b.id === asker?.id) - Number(a.id === asker?.id))) {
    const direct = await chats.directOf(channel, owner.id)
    if (direct !== null) return { channel, space: direct.space, chat: direct.chat, thread: direct.thread }
  }
  return null
}

async function decide(
  deps: ChannelDeps & { readonly outbox: Outbox },
  of: Of,
  token: string,
  ask: AskDoc,
  who: Identity,
  verb: string,
): Promise<string> {
  const { documents, gate, user, clock, newId, outbox } = deps
  if (verb === 's') {
    const { channel, space, chat } = ask
    const file = { name: 'input.json', text: exactJson(ask.input) }
    const id = derivedId('shown', token)
    if (!(await outbox.has(id)))
      await outbox.make(of, newDelivery(id, { channel, space, chat, thread: '', kind: 'notice', text: '', file, made_at: clock.now() }))
    return 'The whole input comes as a file.'
  }
  if (verb !== 'y' && verb !== 'n') return 'This button no longer works.'
  const allow = verb === 'y'
  // An owner is the person; an approver is somebody else, whom a call for two people counts as such.
  const by =
    who.role === 'owner'
      ? userCaller(user, '', '')
      : { ...userCaller(user, '', ''), actor: `user:${who.channel}/${who.id}`, rights: decideRights }
  const input = { call: ask.call, allow, ...(ask.question !== '' && allow && { question: ask.question }) }
  const outcome = await gate.call(by, 'call.decide', input, { id: newId() as CallId, signal: null })
  if (outcome.status !== 'ok') return truncate(outcome.failure.message, 190)
  const { next, decided } = outcome.output as { readonly next: string; readonly decided: boolean }
  const at = clock.now()
  const name = who.shown || who.id
  // Of two people, the second still has the buttons.
  if (decided)
    await documents.change<AskDoc>(of, askCategory, token, (now) =>
      now === null ? undefined : { ...now.value, decided: { by: name, allow, at } },
    )
  const line = `${decidedLine(allow, `${name} (${who.channel})`, at)}${next === '' ? '' : ` ${next}`}`
  await outbox.reopen(of, ask.delivery, (it) => ({
    ...it,
    file: null,
    buttons: decided ? [] : it.buttons,
    text: `${it.text}\n\n${line}`,
  }))
  if (!decided) return truncate(next, 190)
  return allow ? 'Allowed once.' : 'Denied.'
}

const decideRights: ReadonlySet<string> = new Set(['call.decide'])

/** The note with the button becomes what may not have arrived: an edit can be repeated. */
async function showLost({ documents }: ChannelDeps, outbox: Outbox, of: Of, ask: AskDoc, verb: string): Promise<string> {
  const lost = (await documents.get<Delivery>(deliveredCategory, ask.question))?.value
  if (verb !== 's' || lost === undefined) return 'It is no longer there.'
  if (lost.kind === 'reply' || lost.file !== null) {
    // A file cannot come by an edit: the person has asked for it, so it is sent once more.
    const parts = lost.parts.map((part) => (part.id === '' ? { at: 0, id: '' } : part))
    await outbox.reopen(of, lost.id, (it) => ({ ...it, parts }))
    return 'It is sent once more.'
  }
  await outbox.reopen(of, ask.delivery, (it) => ({ ...it, buttons: [], text: lost.text }))
  return ''
}

interface Asking {
  readonly mayDecide: (identity: Identity) => boolean
  readonly newToken: () => string
}

async function askIn(
  deps: ChannelDeps,
  parts: Parts,
  { mayDecide, newToken }: Asking,
  of: Of,
  session: SessionId,
  call: CallId,
): Promise<boolean> {
  const { documents, clock } = deps
  const { chats, outbox } = parts
  const pendingOf = async (): Promise<PendingApproval | null> => {
    const found = await askAsPerson(deps)('approval.list', {})
    const waiting = found.status === 'ok' ? found.output : []
    return waiting.find((each) => each.call === call && deps.approvals.top(each.session) === deps.approvals.top(session)) ?? null
  }
  const waiting = await pendingOf()
  const all = await chats.all()
  const chat =
    all.find((each) => each.session === session || each.running?.session === session) ?? (await chats.ofSession(session)) ?? undefined
  if (waiting === null || chat === undefined) return false
  const place = await placeFor(parts, chat, waiting, mayDecide)
  if (place === null) return false
  const id = derivedId('question', call, waiting.question ?? '')
  if (await outbox.has(id)) return true
  // What it asks has changed, such as what it has read: the question before is not open any more.
  const isOlder = (ask: AskDoc): boolean => ask.call === call && ask.question !== waiting.question
  await close(deps, outbox, isOlder, { by: '', allow: false, at: clock.now() }, '**It asks again, see below.**')
  const token = newToken()
  const { text, file } = shownOf(waiting)
  const delivery = newDelivery(id, {
    ...place,
    kind: 'question',
    text,
    file,
    buttons: buttonsOf(token, file !== null),
    made_at: clock.now(),
  })
  const doc: AskDoc = {
    kind: 'approval',
    channel: place.channel,
    space: place.space,
    chat: place.chat,
    message: '',
    identity: '',
    delivery: id,
    call,
    question: waiting.question ?? '',
    name: waiting.name,
    input: waiting.input,
    decided: null,
  }
  await documents.put(of, [change(askCategory, token, doc), change(outboxCategory, id, delivery)], { sync: true })
  outbox.wake()
  return true
}
