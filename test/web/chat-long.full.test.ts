/** A session of 10 000 messages (3 000 in CI) in the Chat page: opened at its end, scrolled to its beginning, and how smoothly. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/client/index.ts'
import type { SessionId } from '../../src/base/index.ts'
import { scaled } from '../support/scale.ts'
import { tokenOf } from '../support/workspace.ts'
import { noChromium, openWebRig, type WebRig } from './web-fixture.ts'

/** Twice as many messages. */
const turns = scaled(5_000, 1_500)
/** A flick of twenty messages a frame lays all of them out anew; 13 were measured. */
const maxFrameMs = 30

/** Sends messages one after the other. */
async function fill(rig: WebRig): Promise<SessionId> {
  const url = `${rig.address.replace('http', 'ws')}/ws`
  const client = await connect({ url, token: tokenOf(rig.workspace), client: 'test' })
  const { id } = await client.createSession('Long')
  let ended = (): void => {}
  await client.follow(id, 0, (event) => {
    if (event.type === 'record' && event.record.name === 'turn.send' && event.record.phase === 'outcome') ended()
  })
  for (let n = 1; n <= turns; n++) {
    const over = new Promise<void>((resolve) => (ended = resolve))
    await client.sendTurn({ session: id, text: `message ${n}` })
    await over
  }
  await client.close()
  return id
}

describe('a session of thousands of messages', { skip: noChromium }, () => {
  let rig: WebRig
  let session: SessionId
  before(
    async () => {
      rig = await openWebRig({ config: { memory: { embedder: 'none' } } })
      const beganAt = performance.now()
      session = await fill(rig)
      console.error(`filled in ${Math.round(performance.now() - beganAt)} ms`)
    },
    { timeout: 300_000 },
  )
  after(() => rig[Symbol.asyncDispose]())

  it('opens at its newest message, with only the visible part in the page', async () => {
    const { page } = rig
    await page.goto(`${rig.address}/chat/${session}`)
    await page.getByText(`message ${turns}`, { exact: true }).waitFor()
    assert.ok((await page.locator('.chat-row').count()) < 60)
  })

  it('scrolls to its first message in short frames', { timeout: 240_000 }, async (t) => {
    const { page } = rig
    // Processor time of the page's thread, not of a clock that other tests' load moves.
    const metrics = await page.context().newCDPSession(page)
    await metrics.send('Performance.enable', { timeDomain: 'threadTicks' })
    const spentMs = async (): Promise<number> =>
      1_000 * ((await metrics.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN)
    const spentBefore = await spentMs()
    const frames = await page.evaluate(async () => {
      const list = document.querySelector<HTMLElement>('.chat-list')!
      const seen = (): boolean => [...document.querySelectorAll('.chat-bubble')].some((element) => element.textContent === 'message 1')
      let count = 0
      for (; !seen(); count += 1) {
        // A fast flick: some twenty messages a frame.
        list.scrollTop -= 2_000
        await new Promise(requestAnimationFrame)
        if (count > 20_000) throw new Error(`still at ${list.scrollTop} of ${list.scrollHeight}`)
      }
      return count
    })
    const perFrame = ((await spentMs()) - spentBefore) / frames
    t.diagnostic(`${frames} frames, ${perFrame.toFixed(1)} ms of processor time each`)
    assert.ok((await page.locator('.chat-row').count()) < 60)
    assert.ok(perFrame < maxFrameMs, `a frame takes ${perFrame.toFixed(1)} ms of processor time; ${maxFrameMs} are allowed`)
  })
})
