/**
 * Push notifications: what happens to a task is posted to the addresses that its sender has named, under the egress policy, in order, with
 * retries. An address is kept with its task until it has the task's end, also across restarts. Whatever fails here is no concern of the
 * task.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { failureSentences, isOxbowError } from '../../base/index.ts'
import { maxWatchedTasks, pushRetriesMs, pushTimeoutMs } from '../limits.ts'
import { isLegacyVersion } from './agent-card.ts'
import { RequestMalformedError, type StreamResponse, V03PushNotificationSerializer, V1PushNotificationSerializer } from './sdk.ts'
import { eventOf, type FoundTask, taskOf, type TaskTarget } from './task-handler.ts'
import { followTask, isEnded, type TaskSource, type TaskUpdate, type TaskView } from './task-view.ts'

export interface PushDeps extends TaskSource {
  /** Requests to a host under the egress policy. */
  readonly openFetch: (host: string, allow: readonly string[]) => Promise<typeof fetch>
  readonly closing: AbortSignal
}

export interface TaskPush {
  /** Notifies the targets of the task, and no others, from now on. @throws A2AError for an address that must not be reached */
  watch(task: FoundTask): Promise<void>
  /** Goes on with the tasks that had targets before a restart. */
  resume(): Promise<void>
}

interface Watched {
  task: FoundTask
  readonly leaving: AbortController
}

export function createTaskPush(deps: PushDeps): TaskPush {
  const watched = new Map<string, Watched>()
  const begin = (task: FoundTask): void => {
    const held: Watched = { task, leaving: new AbortController() }
    watched.set(task.task, held)
    notifyOf(deps, held)
      .catch(() => {})
      .finally(() => watched.delete(task.task))
      .catch(() => {})
  }
  return {
    async watch(task) {
      const held = watched.get(task.task)
      const fresh = task.targets.filter(
        (target) => held?.task.targets.some((each) => each.id === target.id && each.url === target.url) !== true,
      )
      for (const target of fresh) await assertReachable(deps, target)
      if (held !== undefined) {
        held.task = task
        if (task.targets.length === 0) held.leaving.abort()
      } else if (task.targets.length > 0) {
        if (watched.size >= maxWatchedTasks)
          throw new RequestMalformedError('Too many tasks have push notifications. Subscribe to this one.')
        begin(task)
      }
    },
    async resume() {
      const outcome = await deps.kernel.call('task.list', {})
      const { tasks } = outcome.status === 'ok' ? outcome.output : { tasks: [] }
      for (const task of tasks.filter(({ targets }) => targets.length > 0).slice(0, maxWatchedTasks))
        if (!watched.has(task.task)) begin(task)
    },
  }
}

/** Asks the address once, so that one which the policy forbids is refused to the program that named it. */
async function assertReachable({ openFetch }: PushDeps, { url }: TaskTarget): Promise<void> {
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.password !== '')
    throw new RequestMalformedError('The address of push notifications must be an http or https URL without a password.')
  try {
    const send = await openFetch(parsed.host, [])
    const answer = await send(url, { method: 'HEAD', signal: AbortSignal.timeout(pushTimeoutMs) })
    await answer.body?.cancel()
  } catch (error) {
    // One that does not answer now may do so later.
    if (isOxbowError(error, 'denied')) throw new RequestMalformedError(failureSentences(error))
  }
}

/** Follows the task to its end, and posts to its targets in order. */
async function notifyOf(deps: PushDeps, held: Watched): Promise<void> {
  let posting: Promise<unknown> = Promise.resolve()
  let isFirst = true
  const onView = (view: TaskView, updates: readonly TaskUpdate[]): void => {
    // After a restart the end may have been missed.
    const statuses = isFirst && isEnded(view.status) ? [{ kind: 'status', status: view.status } as const] : updates
    isFirst = false
    for (const update of statuses) {
      if (update.kind !== 'status') continue
      if (isEnded(update.status) && view.text !== '') post(eventOf(held.task, { kind: 'text', text: view.text, append: false }), view)
      post(eventOf(held.task, update), view)
    }
  }
  const post = (event: StreamResponse, view: TaskView): void => {
    posting = posting.then(() => Promise.all(held.task.targets.map((target) => postTo(deps, held, target, event, view).catch(() => {}))))
  }
  await followTask(deps, held.task, AbortSignal.any([deps.closing, held.leaving.signal]), onView)
  await posting
  if (!deps.closing.aborted) await deps.kernel.call('task.notify', { task: held.task.task, targets: [] })
}

async function postTo(
  deps: PushDeps,
  { task, leaving }: Watched,
  target: TaskTarget,
  event: StreamResponse,
  view: TaskView,
): Promise<void> {
  const serializer = isLegacyVersion(target.version) ? new V03PushNotificationSerializer() : new V1PushNotificationSerializer()
  const { body, contentType } = serializer.serialize(event, taskOf(task, view))
  const headers = {
    'content-type': contentType,
    ...(target.token !== '' && { 'x-a2a-notification-token': target.token }),
    ...(target.scheme !== '' && { authorization: `${target.scheme} ${target.credentials}` }),
  }
  const stop = AbortSignal.any([deps.closing, leaving.signal])
  for (const waitMs of [0, ...pushRetriesMs]) {
    await pause(waitMs, stop)
    if (stop.aborted) return
    try {
      const send = await deps.openFetch(new URL(target.url).host, [])
      const answer = await send(target.url, {
        method: 'POST',
        headers,
        body,
        signal: AbortSignal.any([stop, AbortSignal.timeout(pushTimeoutMs)]),
      })
      await answer.body?.cancel()
      // Other refusals do not change with time.
      if (answer.status < 500 && answer.status !== 429) return
    } catch (error) {
      if (isOxbowError(error, 'denied')) return
    }
  }
}

/** Ends early, without an error, when the signal says so. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => {})
}
