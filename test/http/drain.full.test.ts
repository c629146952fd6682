/** A guest that stops in the middle of a turn: whoever waits is answered or told when to ask again, and the next guest finishes the turn. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { startGuest } from '../support/guest-process.ts'
import { startModel } from '../support/model.ts'
import { makeWorkspace } from '../support/workspace.ts'

const slowMs = 1_500
test('a guest that stops drains in time: requests, streams and terminals learn of it, and the turn goes on after', async () => {
  using workspace = makeWorkspace()
  const steps = [{ events: [{ text: 'begun ' }, { delay_ms: slowMs }, { text: 'and ended' }] }, { events: [{ text: 'resumed' }] }]
  await using model = await startModel({ turns: [{ steps }] })
  const start = async () => {
    const guest = startGuest({
      workspace,
      config: { model: model.config, memory: { index_messages: false } },
      keys: { OPENAI_API_KEY: 'sk-none' },
    })
    const started = await guest.started
    assert.ok(started.type === 'ready')
    const address = started.url.replace('ws:', 'http:').replace('/ws', '')
    const token = readFileSync(join(workspace.root, 'ipc/token'), 'utf8').trim()
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    return { guest, address, token, headers }
  }
  const { guest, address, token, headers } = await start()
  const { id: session } = (await (await fetch(`${address}/api/v1/sessions`, { method: 'POST', headers, body: '{}' })).json()) as {
    id: string
  }

  const socket = new WebSocket(`${address.replace('http', 'ws')}/ws`, ['oxbow', `bearer.${token}`])
  await new Promise((resolve) => socket.once('open', resolve))
  const begun = Promise.withResolvers<void>()
  socket.on('message', (data: Buffer) => /"delta"[^]*begun/.test(data.toString()) && begun.resolve())
  const left = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  )
  socket.send(JSON.stringify({ type: 'hello', payload: { request_id: '1', protocol: 1, client: 'test' } }))
  socket.send(JSON.stringify({ type: 'subscribe', payload: { request_id: '2', session, cursor: 0 } }))
  const stream = fetch(`${address}/api/v1/events?session=${session}`, { headers }).then(async (response) => response.text())
  const answer = fetch(`${address}/api/v1/sessions/${session}/messages`, { method: 'POST', headers, body: '{"text":"go"}' })
  const waiting = fetch(`${address}/api/v1/events?kind=custom_never`, { headers }).then(async (response) => response.text())
  await begun.promise

  assert.equal((await guest.stop()).exitCode, 0)
  const sent = await answer
  const body = (await sent.json()) as { status: string; turn: string }
  assert.deepEqual([sent.status, body.status], [202, 'running'])
  assert.match(await stream, /begun[^]*retry: \d+\n\n$/)
  assert.match(await waiting, /retry: \d+\n\n$/)
  assert.deepEqual(await left, { code: 1001, reason: 'the guest is stopping' })

  const next = await start()
  const leaving = new AbortController()
  const events = await fetch(`${next.address}/api/v1/events?session=${session}`, { headers: next.headers, signal: leaving.signal })
  let text = ''
  for await (const part of events.body!.pipeThrough(new TextDecoderStream()))
    if (/"name":"turn\.send","phase":"outcome"/.test((text += part))) break
  leaving.abort()
  assert.match(text, new RegExp(`"call":"${body.turn}","name":"turn.send","phase":"outcome","body":\\{"status":"ok"`))
  await next.guest.stop()
})
