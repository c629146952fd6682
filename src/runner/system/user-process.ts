/**
 * The part of root's daemon that runs as a user: it keeps the user's guest, and touches the user's files, with the rights of that user and no
 * others. Heads of the journal go to root, which alone can sign them. It ends when root's daemon does, however that ends.
 */
import { createInterface } from 'node:readline'
import { OxbowError } from '../../base/index.ts'
import type { ChainHead, NewestHead, UserSettings } from '../../protocol/index.ts'
import { keepHere } from '../daemon/keep-here.ts'
import type { GuestSetup } from '../guest.ts'
import type { HeadSigner } from '../heads/head-signing.ts'
import { openHome, openWorkspace, parseUser } from '../home.ts'
import { configToStart } from '../config/start-config.ts'
import { type UserOrder, userOrder, type UserReport } from './user-messages.ts'

const report = (line: UserReport): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

/** @returns the exit code */
export async function keepAsUser(): Promise<number> {
  if (process.getuid?.() === 0)
    throw new OxbowError('denied', 'this part of the daemon never runs as root', {
      hint: 'Start `oxbowd --system`, which starts it for each user.',
    })
  // Root may be gone before this is; the end of the input says so.
  process.stdout.on('error', () => {})
  const seal = createRemoteSeal()
  let settings: UserSettings | undefined
  const begun = Promise.withResolvers<Extract<UserOrder, { type: 'begin' }> | null>()
  const ended = Promise.withResolvers<void>()
  const input = createInterface({ input: process.stdin })
  input.on('line', (line) => {
    const order = userOrder.parse(JSON.parse(line))
    if (order.type === 'begin') begun.resolve(order)
    if (order.type !== 'sealed') ({ settings } = order)
    if (order.type !== 'settings') seal.take(order)
  })
  input.once('close', () => {
    begun.resolve(null)
    ended.resolve()
  })
  const order = await begun.promise
  if (order === null) return 0
  const keeping = keepHere(() => ({ ...setupOf(order, seal), userSettings: () => settings }), {
    onStart: ({ pid, url }) => report({ type: 'started', pid, url }),
    onOther: ({ pid, url }) => report({ type: 'other', pid, url }),
    onLoss: ({ code, message, hint }, pause_ms) => report({ type: 'lost', failure: short({ code, message, hint }), pause_ms }),
    onWarn: (text) => report({ type: 'warning', text: text.slice(0, maxTextChars) }),
  })
  void ended.promise.then(() => keeping.stop())
  const end = await keeping.over
  report({
    type: 'over',
    why: end.why,
    next_at: end.why === 'idle' ? end.nextAt : null,
    failure: end.why === 'failed' ? short(end.failure) : null,
  })
  process.stdin.destroy()
  return 0
}

const maxTextChars = 2_000

function short({ code, message, hint }: { code: string; message: string; hint: string }) {
  return { code, message: message.slice(0, maxTextChars), hint: hint.slice(0, maxTextChars) }
}

function setupOf({ user: name, version, variables }: Extract<UserOrder, { type: 'begin' }>, seal: RemoteSeal): GuestSetup {
  const env = { ...process.env, ...variables }
  const home = openHome(env)
  const workspace = openWorkspace(home, parseUser(name))
  const warn = (text: string): void => report({ type: 'warning', text: text.slice(0, maxTextChars) })
  return {
    home,
    workspace,
    ...configToStart({ home, workspace }, { isSafe: true }, warn),
    insecure: false,
    version,
    env,
    warn,
    signer: seal.signer(warn),
  }
}

interface RemoteSeal {
  take(order: Exclude<UserOrder, { type: 'settings' }>): void
  signer(warn: (text: string) => void): HeadSigner
}

/** Root signs what is reported, a moment later. */
function createRemoteSeal(): RemoteSeal {
  let newest: NewestHead | null = null
  let warn: (text: string) => void = () => {}
  return {
    take(order) {
      ;({ newest } = order)
      if (order.type === 'sealed' && order.problem !== '') warn(order.problem)
    },
    signer(onProblem) {
      warn = onProblem
      return {
        sign(head: ChainHead) {
          report({ type: 'head', head: { seq: head.seq, hash: head.hash } })
          return null
        },
        newest: () => newest,
        close() {},
      }
    },
  }
}
