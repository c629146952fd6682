/** A terminal of the relay. */
import { WebSocket } from 'ws'
import { repositoryPath, type Child, startChild } from '../subjects/child-process.ts'

export interface RelayClient extends Disposable {
  /** Sends a prompt and resolves when the answer is complete, with the characters that came. One at a time. */
  turn(prompt: string): Promise<number>
}

/** @param file makes it the one that commits what a turn commits */
export async function startRelay(modelUrl: string, ...file: readonly string[]): Promise<Child> {
  return startChild({ args: [repositoryPath('bench/relay/relay-main.ts'), modelUrl, ...file] })
}

export async function connectRelay(url: string): Promise<RelayClient> {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  const opened = Promise.withResolvers<void>()
  let running: PromiseWithResolvers<number> | null = null
  let characters = 0
  socket.once('open', () => opened.resolve())
  socket.on('error', opened.reject)
  socket.on('close', (code, reason) => running?.reject(new Error(`the relay closed with ${code}: ${String(reason)}`)))
  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as { type: 'delta'; text: string } | { type: 'done' }
    if (frame.type === 'delta') characters += frame.text.length
    else running?.resolve(characters)
  })
  await opened.promise
  return {
    turn(prompt) {
      running = Promise.withResolvers()
      characters = 0
      socket.send(JSON.stringify({ prompt }))
      return running.promise
    },
    [Symbol.dispose]: () => socket.terminate(),
  }
}
