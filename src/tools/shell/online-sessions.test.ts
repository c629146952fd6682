import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CallContext } from '../../protocol/index.ts'
import { onlineSessions } from './online-sessions.ts'

/** Hands that open what they are asked to, and list what `listed` says. */
function setup() {
  const listed: string[] = []
  const ended: string[] = []
  let ending: Promise<void> = Promise.resolve()
  let opened = 0
  let issued = 0
  const nothing = { rows: [], more: 0 }
  const proxy = {
    issue: () => {
      const token = `pass-${(issued += 1)}`
      const end = async () => {
        ended.push(token)
        await ending
        return nothing
      }
      return Promise.resolve({ token, soFar: async () => nothing, end })
    },
  }
  const ask = (op: string): Promise<object> => {
    if (op === 'sessionList') return Promise.resolve({ sessions: listed.map((id) => ({ id })) })
    const id = `shell-${(opened += 1)}`
    listed.push(id)
    return Promise.resolve({ id, terminal: false })
  }
  const sandbox = { hands: () => Promise.resolve({ ask }) }
  const context = { sandbox, signal: new AbortController().signal, caller: { session: 's', audience: 'model' } } as unknown as CallContext
  const call = onlineSessions(proxy).calls[0]!
  return {
    ended,
    open: () => call.run(call.example, context),
    forget: (id: string) => void listed.splice(listed.indexOf(id), 1),
    holdEnds: (until: Promise<void>) => void (ending = until),
  }
}

describe('a session with network', () => {
  it('keeps its pass when it opens while the passes of ended sessions are withdrawn', async () => {
    const { open, forget, ended, holdEnds } = setup()
    await open()
    forget('shell-1')
    const release = Promise.withResolvers<void>()
    holdEnds(release.promise)
    const first = open()
    await open()
    release.resolve()
    await first
    assert.deepEqual(ended, ['pass-1'])
  })
})
