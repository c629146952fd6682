/** Messages that waited on a platform for more than a day: they are not answered, and one note in their chat lists them. */
import { derivedId, truncate } from '../../../base/index.ts'
import type { HeldRuns } from '../../../runs/index.ts'
import { byKernel, type ChannelDeps, type Of } from '../channel-deps.ts'
import { change, chatId, missedCategory, newDelivery, outboxCategory } from '../channel-records.ts'
import type { Received } from '../channel-schemas.ts'
import type { ChatPlace } from '../chats.ts'
import { maxMissed, missedNoteMs } from '../limits.ts'
import type { Outbox } from '../outbox.ts'

/** A document of `system/channel_missed`, by chat. */
interface MissedDoc extends ChatPlace {
  /** When the note is written. */
  readonly due_at: number
  readonly count: number
  /** The first messages. */
  readonly lines: readonly { readonly message: string; readonly at: number; readonly text: string }[]
}

export interface Missed {
  load(): Promise<void>
  note(of: Of, place: ChatPlace, message: Pick<Received, 'message' | 'at' | 'text'>): Promise<void>
}

const maxLineChars = 100

export function createMissed(deps: ChannelDeps, outbox: Pick<Outbox, 'wake'>): Missed {
  const { runs, documents, clock } = deps
  const held: HeldRuns<MissedDoc> = runs.hold<MissedDoc>({
    name: 'channel missed',
    category: missedCategory,
    dueAt: ({ due_at: at }) => at,
    goOn: async ({ id }) => {
      await held.update(byKernel(deps, 'channel.deliver'), id, async (now) => {
        if (now === null || now.due_at > clock.now()) return []
        const { channel, space, chat, thread, lines } = now
        const note = newDelivery(derivedId('missed', id, lines[0]!.message), {
          channel,
          space,
          chat,
          thread,
          kind: 'notice',
          text: noteOf(now),
          made_at: clock.now(),
        })
        return [change(missedCategory, id, null), change(outboxCategory, note.id, note)]
      })
      outbox.wake()
    },
  })
  return {
    load: held.load,
    async note(of, place, { message, at, text }) {
      const id = chatId(place)
      await documents.update<MissedDoc>(of, missedCategory, id, async (current) => {
        const before = current?.value ?? { ...place, due_at: 0, count: 0, lines: [] }
        if (before.lines.some((each) => each.message === message)) return []
        const line = { message, at, text: truncate(text.replaceAll(/\s+/g, ' ').trim(), maxLineChars) }
        const lines = before.lines.length < maxMissed ? [...before.lines, line] : before.lines
        return [change(missedCategory, id, { ...before, due_at: clock.now() + missedNoteMs, count: before.count + 1, lines })]
      })
    },
  }
}

function noteOf({ count, lines }: MissedDoc): string {
  const shown = lines.map(
    ({ at, text }) => `- ${new Date(at).toISOString().slice(0, 16).replace('T', ' ')}: ${text === '' ? '(a file)' : text}`,
  )
  const more = count > lines.length ? [`- and ${count - lines.length} more`] : []
  const head =
    count === 1
      ? 'A message is older than a day, so I have not answered it:'
      : `${count} messages are older than a day, so I have not answered them:`
  return [head, '', ...shown, ...more, '', 'Send again what still matters.'].join('\n')
}
