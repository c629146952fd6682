/** The raw side of what hands do: bare processes and pipes, which no sandbox can be quicker than. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** @returns milliseconds from the start of a bare Node to its first byte. */
export async function bareStart(): Promise<number> {
  const began = performance.now()
  const child = spawn(process.execPath, ['-e', 'process.stdout.write("x");process.stdin.resume()'], {
    env: {},
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  const took = performance.now() - began
  child.kill('SIGKILL')
  await once(child, 'close')
  return took
}

export interface Echo extends AsyncDisposable {
  /** Resolves when as many bytes came back. */
  roundTrip(bytes: Buffer): Promise<void>
}

/** A bare Node that gives back what it gets, over the same kind of pipes as hands. */
export async function startEcho(): Promise<Echo> {
  const program = 'process.stdout.write("x");process.stdin.on("data",(d)=>process.stdout.write(d))'
  const child = spawn(process.execPath, ['-e', program], { env: {}, stdio: ['pipe', 'pipe', 'ignore'] })
  await once(child.stdout, 'data')
  let left = 0
  let done: () => void = () => undefined
  child.stdout.on('data', (bytes: Buffer) => {
    left -= bytes.length
    if (left <= 0) done()
  })
  return {
    roundTrip(bytes) {
      left = bytes.length
      child.stdin.write(bytes)
      return new Promise((resolve) => (done = resolve))
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await once(child, 'close')
    },
  }
}

/** @returns milliseconds until all that the command writes has come. */
export async function drainCommand(file: string, args: readonly string[]): Promise<{ ms: number; bytes: number }> {
  const began = performance.now()
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let bytes = 0
  child.stdout.on('data', (chunk: Buffer) => (bytes += chunk.length))
  await once(child, 'close')
  return { ms: performance.now() - began, bytes }
}

/** @returns milliseconds until the shell command has taken all of it and ended. */
export async function feedCommand(command: string, pieces: readonly Buffer[]): Promise<number> {
  const began = performance.now()
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'ignore', 'ignore'] })
  for (const piece of pieces) if (!child.stdin.write(piece)) await once(child.stdin, 'drain')
  child.stdin.end()
  await once(child, 'close')
  return performance.now() - began
}
