/**
 * Says where a plugin is when its code does not come back while it starts, as in an endless loop: a thread asks this process now and then,
 * and when no answer comes looks with the debugger where it stands. The thread ends when the plugin has started.
 */
import { writeSync } from 'node:fs'
import { Session } from 'node:inspector'
import { parentPort, Worker } from 'node:worker_threads'

/** Less than what the guest waits for an answer before it ends the host. */
const silentMs = 3_000
const watchArgument = '--watch-start'

/** @param args of this program @returns them without the one that asks for the watch */
export function takeWatchArgument(args: readonly string[]): { readonly watches: boolean; readonly rest: readonly string[] } {
  return { watches: args[0] === watchArgument, rest: args[0] === watchArgument ? args.slice(1) : args }
}

/** @param program the file of this program, which as a thread calls `runWatch` @returns what ends the watch */
export function watchStart(program: string, folder: string): () => void {
  const watch = new Worker(program, { argv: [folder] })
  watch.on('message', () => watch.postMessage('here', []))
  // Without it a start that hangs is only not explained.
  watch.on('error', () => {})
  watch.unref()
  return () => void watch.terminate()
}

/** The thread. @param folder of the plugin */
export function runWatch(folder: string): void {
  let asked = performance.now()
  let isAnswered = true
  parentPort!.on('message', () => (isAnswered = true))
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
    } else if (performance.now() - asked > silentMs) session.post('Debugger.pause')
  }, silentMs / 4)
}
