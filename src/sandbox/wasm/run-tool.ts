/**
 * Runs a program's tool in its own thread, which is terminated when the tool has finished, times out or is cancelled, even if it spins,
 * sleeps or waits. The tool's memory is limited by rewriting its module; instructions are not counted, only time.
 *
 * The thread isolates only together with WebAssembly: the tool can call the functions that it is given, and nothing of Node. Programs that
 * need a real file system or a network belong in the process tier.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { Failure, Json } from '../../base/index.ts'
import { isOxbowError, nestsDeeper, systemClock } from '../../base/index.ts'
import { maxHostNameChars, maxKnownReplies, maxRefusedNames, maxToolInputBytes, maxToolOutputDepth, scriptGraceMs, toolStartTimeoutMs } from '../limits.ts'
import { type ScriptThreads, startThread } from './script-threads.ts'
import {
  type HostReply,
  type KnownReply,
  readOutput,
  sharedOutput,
  type ToolAnswer,
  type ToolEnd,
  type ToolJob,
  type ToolMessage,
} from './tool-channel.ts'
import {
  defaultToolLimits,
  type HostFunctions,
  refuseRequest,
  type ToolLimits,
  type ToolOutcome,
  type WasmTool,
} from './wasm-tool.ts'

/** Never rejects: a failure of the tool is an outcome. @param threads where there are, a script takes the one that was started ahead */
export async function runTool(tool: WasmTool, threads?: ScriptThreads): Promise<ToolOutcome> {
  const startedMs = systemClock.monotonicMs()
  const limits: ToolLimits = { ...defaultToolLimits, ...tool.limits }
  const refused = new Set<string>()
  const input = JSON.stringify(tool.input)
  const problem = tool.signal?.aborted === true ? cancelled : refuseRequest(tool, input, limits)
  const outputBytes = problem === null ? limits.outputBytes : 0
  const stdout = sharedOutput(outputBytes)
  const stderr = sharedOutput(outputBytes)
  const end = problem === null ? await keepThread({ tool, limits, input, stdout, stderr, refused, threads }) : refusal(problem)
  const trace = {
    stdout: readOutput(stdout),
    stderr: readOutput(stderr),
    refused: [...refused],
    ms: systemClock.monotonicMs() - startedMs,
  }
  if (!end.ok) return { ...end, ...trace }
  const output = parseOutput(end.output)
  return output === undefined ? { ok: false, failure: noJson, ...trace } : { ...end, output, ...trace }
}

/** @returns undefined for invalid JSON, or for nesting too deep to serialize. */
function parseOutput(text: string): Json | undefined {
  try {
    const output = JSON.parse(text) as Json
    return nestsDeeper(output, maxToolOutputDepth) ? undefined : output
  } catch {
    return undefined
  }
}

interface Run {
  readonly tool: WasmTool
  readonly limits: ToolLimits
  readonly input: string
  readonly stdout: SharedArrayBuffer
  readonly stderr: SharedArrayBuffer
  readonly refused: Set<string>
  readonly threads: ScriptThreads | undefined
}

/** Starts the thread, serves its calls, and terminates it. */
async function keepThread({ tool, limits, input, stdout, stderr, refused, threads }: Run): Promise<ToolEnd> {
  const channel = new MessageChannel()
  const signal = new SharedArrayBuffer(4)
  const { kind, code, mounts = [], prelude = '' } = tool
  const waits = tool.waits !== undefined
  const job: ToolJob = {
    kind,
    code,
    function: tool.function,
    input,
    mounts,
    limits,
    waits,
    prelude,
    stdout,
    stderr,
    signal,
    port: channel.port2,
  }
  const worker = threads?.take(job) ?? startThread(job, [job.port])
  const ended = Promise.withResolvers<ToolEnd>()
  const over = new AbortController()
  const abort = (): void => ended.resolve(refusal(cancelled))
  let timer = setTimeout(() => ended.resolve(refusal(notStarted)), toolStartTimeoutMs)
  const late = (): void => ended.resolve(refusal(tooLate(limits)))
  let leftMs = limits.timeoutMs + (kind === 'js' ? scriptGraceMs : 0)
  let since = 0
  const count = (): void => {
    since = performance.now()
    timer = setTimeout(late, leftMs)
  }
  /** Of a tool that waits, the time of an answer does not count. */
  const pause = (): void => {
    clearTimeout(timer)
    leftMs = Math.max(0, leftMs - (performance.now() - since))
  }
  const host = { functions: tool.host ?? {}, other: tool.waits, refused, signal: over.signal }
  const known = knownReplies(tool)
  worker.on('message', (message: ToolMessage) => {
    if (message.type === 'ended') ended.resolve(message.result)
    else if (message.type === 'call') {
      if (waits) pause()
      void askHost(host, message).then((reply) => {
        if (waits && !over.signal.aborted) count()
        answer(channel.port1, signal, { reply, known: known(message.place + 1) })
      })
    } else {
      clearTimeout(timer)
      count()
    }
  })
  worker.once('error', (error) => ended.resolve(refusal(lost(error))))
  worker.once('exit', () => ended.resolve(refusal(lost(null))))
  tool.signal?.addEventListener('abort', abort, { once: true })
  try {
    return await ended.promise
  } finally {
    clearTimeout(timer)
    tool.signal?.removeEventListener('abort', abort)
    over.abort()
    await worker.terminate()
    channel.port1.close()
    if (kind === 'js') threads?.prepare()
  }
}

interface Host {
  readonly functions: HostFunctions
  readonly other: WasmTool['waits']
  readonly refused: Set<string>
  readonly signal: AbortSignal
}

type Asked = Extract<ToolMessage, { readonly type: 'call' }>

/** Never rejects. */
async function askHost(host: Host, { name, input, place }: Asked): Promise<string> {
  const hostFunction = Object.hasOwn(host.functions, name)
    ? host.functions[name]
    : host.other && ((value: Json) => host.other!(name, value, place))
  if (hostFunction === undefined) {
    if (host.refused.size < maxRefusedNames) host.refused.add(name.slice(0, maxHostNameChars))
    return errorReply({ code: 'denied', message: 'The tool has no right to call this function.', hint: 'Its program must declare it.' })
  }
  let parsed: Json
  try {
    parsed = JSON.parse(input) as Json
  } catch {
    return errorReply({ code: 'bad_input', message: 'The input of the function is not JSON.', hint: 'Pass one JSON value.' })
  }
  try {
    return okReply(await hostFunction(parsed, host.signal))
  } catch (error) {
    return thrownReply(error)
  }
}

/** @returns what answers the calls from a place on that are on record, as much of it as may go along with an answer */
function knownReplies({ known }: WasmTool): (from: number) => readonly KnownReply[] {
  if (known === undefined) return () => []
  return (from) => {
    const replies: KnownReply[] = []
    let chars = 0
    for (const { name, digest, answer: of } of known(from)) {
      const reply = knownReply(of)
      chars += reply.length
      if (replies.length === maxKnownReplies || chars > maxToolInputBytes) break
      replies.push({ name, digest, reply })
    }
    return replies
  }
}

function knownReply(of: () => Json): string {
  try {
    return okReply(of())
  } catch (error) {
    return thrownReply(error)
  }
}

function okReply(value: Json | undefined): string {
  const reply: HostReply = { ok: value ?? null }
  const text = JSON.stringify(reply)
  if (text.length <= maxToolInputBytes) return text
  return errorReply({ code: 'limit_reached', message: 'The result of the function is too large.', hint: 'Ask for a part.' })
}

function thrownReply(error: unknown): string {
  // The message of an unknown error may contain paths and secrets of the host.
  if (!isOxbowError(error)) return errorReply({ code: 'tool_failed', message: 'The function failed.', hint: 'Try again later.' })
  return errorReply({ code: error.code, message: error.message, hint: error.hint })
}

function errorReply(failure: Failure): string {
  const reply: HostReply = { error: failure }
  return JSON.stringify(reply)
}

/** First the reply, then the flag that wakes the thread. */
function answer(port: MessagePort, signal: SharedArrayBuffer, reply: ToolAnswer): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
  port.postMessage(reply)
  const flag = new Int32Array(signal)
  Atomics.store(flag, 0, 1)
  Atomics.notify(flag, 0)
}

const refusal = (failure: Failure): ToolEnd => ({ ok: false, failure })

const cancelled: Failure = { code: 'cancelled', message: 'The tool was cancelled.', hint: 'Run it again.' }

const noJson: Failure = {
  code: 'tool_failed',
  message: 'The tool returned invalid JSON, or JSON that is nested too deeply.',
  hint: `ptr and len must cover exactly one JSON value, of at most ${maxToolOutputDepth} levels.`,
}

const notStarted: Failure = {
  code: 'sandbox_failed',
  message: 'The thread of the tool did not start in time.',
  hint: 'The machine may be short of memory or time: try again.',
}

const tooLate = ({ timeoutMs }: ToolLimits): Failure => ({
  code: 'timeout',
  message: `The tool ran longer than ${timeoutMs} ms and was ended.`,
  hint: 'Give it less to do, or a longer timeout.',
})

function lost(error: (Error & { readonly code?: string }) | null): Failure {
  if (error?.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return { code: 'limit_reached', message: 'The tool exhausted the memory of its thread.', hint: 'Give it less data.' }
  }
  return { code: 'sandbox_failed', message: `The thread of the tool ended: ${error?.message ?? 'no message'}.`, hint: 'Try again.' }
}
