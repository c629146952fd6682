/**
 * Says where a plugin is when its start does not end. Code that does not come back, as in an endless loop, is found by a thread: it asks this
 * process now and then, and when no answer comes looks with the debugger where it stands. Code that waits is found by where it last made a
 * promise. Both end when the plugin has started.
 */
// oxlint-disable unicorn/require-post-message-target-origin -- a thread, not a window
import { createHook } from 'node:async_hooks'
import { writeSync } from 'node:fs'
import { Session } from 'node:inspector'
import { parentPort, Worker } from 'node:worker_threads'
import { placeIn } from './load-failure.ts'

/** Less than what the guest waits for an answer before it ends the host. */
const silentMs = 3_000
const watchArgument = /^--watch-start=(\d+)$/

/** @returns after how many milliseconds a start that waits is explained, null without a watch; and the other arguments */
export function takeWatchArgument(args: readonly string[]): { readonly waitMs: number | null; readonly rest: readonly string[] } {
  const [, waitMs] = watchArgument.exec(args[0] ?? '') ?? []
  return waitMs === undefined ? { waitMs: null, rest: args } : { waitMs: Number(waitMs), rest: args.slice(1) }
}

export interface StartWatch {
  /** `FILE:LINE` where the plugin last made a promise, which is where it waits; empty: it has made none. */
  place(): string
  end(): void
}

export const noWatch: StartWatch = { place: () => '', end() {} }

/** @param program the file of this program, which as a thread calls `runWatch` @param waitMs after which a start that waits is explained */
export function watchStart(program: string, folder: string, waitMs: number): StartWatch {
  const watch = new Worker(program, { argv: [folder] })
  watch.on('message', () => watch.postMessage('here', []))
  // Without it a start that hangs is only not explained.
  watch.on('error', () => {})
  watch.unref()
  let place = ''
  const promises = createHook({
    init(_, type) {
      if (type === 'PROMISE') place = placeNow(folder) || place
    },
  }).enable()
  const sayPlace = (): void => {
    if (place !== '') writeSync(2, `${place}: the code waits here\n`)
  }
  const timer = setTimeout(sayPlace, waitMs)
  process.on('uncaughtExceptionMonitor', sayPlace)
  const unwrap = watchCommands((command) =>
    watch.postMessage({ command: command === '' ? '' : `${placeNow(folder)}: the code waits here for ${command}` }),
  )
  return {
    place: () => place,
    end() {
      void watch.terminate()
      promises.disable()
      clearTimeout(timer)
      process.off('uncaughtExceptionMonitor', sayPlace)
      unwrap()
    },
  }
}

const seenFrames = 20

function placeNow(folder: string): string {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = seenFrames
  const place = placeIn(new Error().stack ?? '', folder)
  Error.stackTraceLimit = stackTraceLimit
  return place
}

/** The debugger cannot look into a process that waits for a command. @param onCommand called before one, and with an empty name after it */
function watchCommands(onCommand: (name: string) => void): () => void {
  const { syncBuiltinESMExports } = process.getBuiltinModule('node:module')
  const commands = process.getBuiltinModule('node:child_process')
  const { execFileSync, execSync, spawnSync } = commands
  const real = { execFileSync, execSync, spawnSync } as const
  for (const [name, run] of Object.entries(real) as [string, (...args: unknown[]) => unknown][])
    Object.assign(commands, {
      [name](...args: unknown[]) {
        onCommand(String(args[0]))
        try {
          return run(...args)
        } finally {
          onCommand('')
        }
      },
    })
  syncBuiltinESMExports()
  return () => {
    Object.assign(commands, real)
    syncBuiltinESMExports()
  }
}

/** The thread. @param folder of the plugin */
export function runWatch(folder: string): void {
  let asked = performance.now()
  let isAnswered = true
  let command = ''
  parentPort!.on('message', (message: 'here' | { readonly command: string }) => {
    if (message === 'here') isAnswered = true
    else command = message.command
  })
  const session = new Session()
  session.connectToMainThread()
  const urls = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url))
  session.on('Debugger.paused', ({ params }) => {
    const frames = params.callFrames.map(({ functionName, location }) => {
      const url = urls.get(location.scriptId) ?? ''
      return { functionName, file: url.replace(/^file:\/\//, ''), line: location.lineNumber + 1 }
    })
    const found = frames.find(({ file }) => file.startsWith(`${folder}/`))
    if (found !== undefined) {
      const within = found.functionName === '' ? '' : ` in ${found.functionName}`
      writeSync(2, `${found.file.slice(folder.length + 1)}:${found.line}: the code does not come back${within}\n`)
    }
    session.post('Debugger.resume')
    clearInterval(timer)
  })
  session.post('Debugger.enable')
  const timer = setInterval(() => {
    if (isAnswered) {
      isAnswered = false
      asked = performance.now()
      parentPort!.postMessage('there?', [])
    } else if (performance.now() - asked > silentMs && command !== '') {
      writeSync(2, `${command}\n`)
      clearInterval(timer)
    } else if (performance.now() - asked > silentMs) session.post('Debugger.pause')
  }, silentMs / 4)
}
