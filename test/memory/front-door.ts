/** A guest whose model is scripted and keeps all that it is asked: what is told in one session and asked in another, through the gateway. */
import { type GuestStart, startGuest, type TestGuest } from '../support/guest-process.ts'
import { newId, openConversation } from '../support/conversation.ts'
import { startModel, type TestModel, type WireMessage } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { openTerminal, type Terminal } from '../support/terminal.ts'
import { makeWorkspace, type TestWorkspace } from '../support/workspace.ts'

/** As a turn shows it (`recalledItem`). */
const mark = /^From memory/

export interface Talk {
  readonly session: string
  /** What the newest request shows from memory. */
  readonly shown: string
  /** What the request of each message showed. */
  readonly each: readonly string[]
}

export interface FrontDoor extends AsyncDisposable {
  readonly workspace: TestWorkspace
  readonly model: TestModel
  readonly terminal: Terminal
  /** A message in a session of its own. @returns what memory gave to the first request of its turn; empty: nothing */
  say(text: string): Promise<string>
  /** Messages of one session. */
  talk(texts: readonly string[]): Promise<Talk>
  /** @returns what its request shows from memory */
  resume(session: string, text: string): Promise<string>
  /** All that was said can be recalled. */
  indexed(): Promise<void>
  restart(): Promise<void>
}

export async function openFrontDoor(start: Omit<GuestStart, 'workspace'> = {}, workspace = makeWorkspace()): Promise<FrontDoor> {
  const model = await startModel([{ events: [{ text: 'Noted.' }] }])
  const config = { ...start.config, model: model.config }
  let guest: TestGuest = startGuest({ ...start, workspace, config })
  let terminal = await openReady(guest, workspace)
  /** The first request of the turn of this message. */
  const shownAfter = async (text: string, say: () => Promise<unknown>): Promise<string> => {
    const before = model.requests.length
    await say()
    const request = model.requests.slice(before).find((messages) => messages.at(-1)?.content === text)
    if (request === undefined) throw new Error(`the model was not asked: ${text}`)
    return contents(request)
      .filter((content) => mark.test(content))
      .join('\n')
  }
  const talk: FrontDoor['talk'] = async (texts) => {
    const { session, say } = await openConversation(terminal)
    const each: string[] = []
    for (const text of texts) each.push(await shownAfter(text, () => say(text)))
    return { session, shown: each.at(-1) ?? '', each }
  }
  return {
    workspace,
    model,
    get terminal() {
      return terminal
    },
    talk,
    say: async (text) => (await talk([text])).shown,
    resume: (session, text) =>
      shownAfter(text, async () => {
        const turn = newId()
        await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
        await terminal.expect('ack', 'send_turn', { session, client_id: turn, text })
        await terminal.record((record) => String(record.call) === turn && record.phase === 'outcome')
      }),
    // A search of memory waits for what was said.
    indexed: async () => void (await terminal.expect('result', 'call', { name: 'memory.search', input: { query: 'indexed' } })),
    async restart() {
      await guest.stop()
      guest = startGuest({ ...start, workspace, config })
      const { url } = (await guest.started) as { readonly url: string }
      terminal = await openTerminal(url, workspace)
    },
    async [Symbol.asyncDispose]() {
      terminal[Symbol.dispose]()
      await guest.kill()
      await model[Symbol.asyncDispose]()
      workspace[Symbol.dispose]()
    },
  }
}

function contents(messages: readonly WireMessage[]): readonly string[] {
  return messages.flatMap(({ content }) => (typeof content === 'string' ? [content] : []))
}
