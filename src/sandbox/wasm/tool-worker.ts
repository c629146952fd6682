/** The thread of one tool: it runs the tool of its `workerData`, or the one that it is sent, reports the outcome, and exits. */
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { createHostBridge } from './host-bridge.ts'
import { failed, isFailed } from './tool-failure.ts'
import type { ScriptEngine } from './script-run.ts'
import type { ThreadAhead, ToolEnd, ToolJob, ToolMessage } from './tool-channel.ts'
import { changesIn, mountFolders } from './tool-tree.ts'

const send = (message: ToolMessage, transfer: readonly ArrayBuffer[] = []): void => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
  parentPort?.postMessage(message, transfer)
}

async function run(job: ToolJob, warm?: ScriptEngine): Promise<ToolEnd> {
  const mounts = mountFolders(job.mounts, job.limits.fileBytes)
  const bridge = createHostBridge(job, send)
  const answer = await (job.kind === 'js' ? runAsScript : runAsModule)()
  if (isFailed(answer)) return { ok: false, ...answer }
  const changes = changesIn(mounts, job.limits.fileBytes)
  return isFailed(changes) ? { ok: false, ...changes } : { ok: true, ...answer, changes }

  async function runAsScript() {
    const engine = warm ?? (await openEngine(job.limits.memoryMb))
    send({ type: 'running' })
    return engine.run(job, mounts, bridge)
  }
  async function runAsModule() {
    const { runModule } = await import('./module-run.ts')
    send({ type: 'running' })
    return runModule(job, mounts, bridge.callHost)
  }
}

async function openEngine(memoryMb: number): Promise<ScriptEngine> {
  return (await import('./script-run.ts')).openScriptEngine(memoryMb)
}

async function runAhead({ ahead }: ThreadAhead): Promise<ToolEnd> {
  const sent = once(parentPort!, 'message') as Promise<[ToolJob]>
  const engine = await openEngine(ahead)
  engine.warm()
  const [job] = await sent
  return run(job, engine)
}

try {
  const given = workerData as ToolJob | ThreadAhead
  const result = await ('ahead' in given ? runAhead(given) : run(given))
  const buffers = result.ok ? result.changes.flatMap((each) => (each.kind === 'written' ? [each.bytes.buffer as ArrayBuffer] : [])) : []
  send({ type: 'ended', result }, buffers)
} catch (error) {
  const { failure } = failed('sandbox_failed', `The runner of tools failed: ${String(error)}.`, 'This is a bug in Oxbow.')
  send({ type: 'ended', result: { ok: false, failure } })
}
