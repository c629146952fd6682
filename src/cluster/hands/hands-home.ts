/**
 * What guests of this node ask for hands on others: a socket for each user, in a folder that only this account enters. The node looks for a
 * place and forwards bytes to it, unread; whom a branch belongs to, the socket says and not the guest.
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { once, OxbowError } from '../../base/index.ts'
import type { ElsewhereAnswer, ElsewhereQuestion, FarEnds } from '../../sandbox/index.ts'
import { handsWaitMs, maxHandsSockets } from '../limits.ts'
import type { HandsNote, HandsQueue } from './hands-queue.ts'
import { dial, tie } from './hands-wire.ts'

export interface HandsHomeDeps {
  readonly queue: Pick<HandsQueue, 'ask' | 'drop' | 'placeOf'>
  readonly node: string
  readonly ends: Pick<FarEnds, 'listenAt' | 'readLine' | 'failedAnswerTo' | 'elsewhereQuestion'>
  /** See `dial`. */
  readonly wire?: ((node: string) => object) | undefined
}

export interface HandsHome {
  /** @param folder of the user's sockets */
  listen(user: string, folder: string): Promise<HandsSocket>
  close(): Promise<void>
}

/** Where a guest asks. */
interface HandsSocket {
  readonly path: string
  /** The guest has ended, and what it asked for is needed no more. A guest of the same user that has come since keeps the socket. */
  end(): void
}

/** What a branch has last asked for. Each time it is another place: nobody waits for the end of one on a node that is lost. */
interface Asked {
  readonly id: string
  readonly token: string
  readonly labels: readonly string[]
  note: HandsNote | null
}

type Deps = HandsHomeDeps & { readonly asked: Map<string, Asked> }

interface Open {
  guests: number
  readonly listening: Promise<{ close(): Promise<void> }>
}

export function openHandsHome(given: HandsHomeDeps): HandsHome {
  const deps: Deps = { ...given, asked: new Map() }
  const open = new Map<string, Open>()
  const closing = new Map<string, Promise<void>>()
  const end = (user: string, path: string, kept: Open): void => {
    kept.guests -= 1
    if (kept.guests > 0) return
    open.delete(path)
    const closed = kept.listening.then((listening) => listening.close()).catch(() => {})
    closing.set(path, closed)
    void closed.then(() => closing.get(path) === closed && closing.delete(path))
    for (const [key, { id, labels }] of deps.asked) {
      if (!key.startsWith(keyOf(user, ''))) continue
      deps.asked.delete(key)
      void deps.queue.drop(id, labels).catch(() => {})
    }
  }
  return {
    async listen(user, folder) {
      const path = join(folder, 'elsewhere.sock')
      const listen = async () => {
        await closing.get(path)
        return deps.ends.listenAt(path, maxHandsSockets, (socket) => void serve(deps, user, socket).catch(() => socket.destroy()))
      }
      const kept: Open = open.get(path) ?? { guests: 0, listening: listen() }
      open.set(path, kept)
      kept.guests += 1
      const ended = once(async () => end(user, path, kept))
      try {
        await kept.listening
      } catch (error) {
        await ended()
        throw error
      }
      return { path, end: () => void ended() }
    },
    async close() {
      await Promise.all([...open.values()].map(async ({ listening }) => (await listening.catch(() => null))?.close()))
      await Promise.all(closing.values())
    },
  }
}

async function serve(deps: Deps, user: string, socket: Socket): Promise<void> {
  const { readLine, failedAnswerTo, elsewhereQuestion } = deps.ends
  const question = elsewhereQuestion.parse(JSON.parse(await readLine(socket, maxQuestionBytes)))
  if ('to' in question) {
    const asked = deps.asked.get(keyOf(user, question.to))
    if (asked?.note?.since !== question.epoch) return void socket.destroy()
    return tie(socket, await dial(asked.note.url, asked.id, asked.token, deps.wire?.(asked.note.node)))
  }
  const gone = new AbortController()
  socket.once('close', () => gone.abort('cancelled'))
  // A guest that goes is noticed only while its socket is read.
  socket.resume()
  const answer = await answerTo(deps, user, question, gone.signal).catch((error: unknown) => failedAnswerTo(error, 'sandbox_failed'))
  socket.end(`${JSON.stringify(answer)}\n`)
}

/** Labels of a node, and a name. */
const maxQuestionBytes = 16 * 1024

const keyOf = (user: string, branch: string): string => `${user}\0${branch}`

async function answerTo(
  { queue, node, asked }: Deps,
  user: string,
  question: Exclude<ElsewhereQuestion, { to: unknown }>,
  gone: AbortSignal,
): Promise<ElsewhereAnswer> {
  const branch = 'drop' in question ? question.drop : question.want
  const key = keyOf(user, branch)
  const before = asked.get(key)
  asked.delete(key)
  if (before !== undefined) await queue.drop(before.id, before.labels)
  if ('drop' in question) return { dropped: true }
  const { labels } = question
  const id = randomBytes(16).toString('hex')
  const own: Asked = { id, token: randomBytes(32).toString('hex'), labels, note: null }
  asked.set(key, own)
  await queue.ask({ id, user, branch, home: node, token: own.token }, labels)
  own.note = await queue.placeOf(id, AbortSignal.any([gone, AbortSignal.timeout(handsWaitMs)]))
  if (own.note !== null) return { node: own.note.node, epoch: own.note.since }
  await queue.drop(id, labels).catch(() => {})
  throw new OxbowError('sandbox_missing', `No node ${labels.length === 0 ? '' : `that offers ${labels.join(', ')} `}has room for hands.`, {
    hint: '`oxbow cluster nodes` shows the room of each, which cluster.hands.capacity sets there, and its labels. Try again later, or work at home.',
  })
}
