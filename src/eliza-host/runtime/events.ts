/** Events of both kinds that elizaOS has, and messages to channels. */
import type { ElizaRuntime, EventMethods } from './runtime-types.ts'
import type { Free } from '../eliza-types.ts'
import { errorMessage, ownValue, setOwn } from '../../base/index.ts'

type SendHandler = Parameters<EventMethods['registerSendHandler']>[1]

export function eventMethods(self: ElizaRuntime): EventMethods {
  const listeners = new Map<string, ((data: unknown) => void)[]>()
  const sendHandlers = new Map<string, SendHandler>()
  const src = { src: 'agent', agentId: self.agentId }
  return {
    registerEvent: (event, handler) => setOwn(self.events, event, [...(ownValue(self.events, event) ?? []), handler]),
    getEvent: (event) => ownValue(self.events, event),
    async emitEvent(event, params) {
      const given = typeof params === 'object' && params !== null ? (params as Free) : {}
      const payload = { ...given, runtime: self, source: given['source'] || 'runtime' }
      for (const name of [event].flat()) await Promise.all((ownValue(self.events, name) ?? []).map((handler) => handler(payload)))
    },
    on(event, callback) {
      listeners.set(event, [...(listeners.get(event) ?? []), callback])
    },
    off(event, callback) {
      const at = listeners.get(event)?.indexOf(callback) ?? -1
      if (at >= 0) listeners.set(event, listeners.get(event)?.toSpliced(at, 1) ?? [])
    },
    emit(event, data) {
      for (const listener of listeners.get(event) ?? []) listener(data)
    },
    async sendControlMessage({ roomId, action, target }) {
      const message = { type: 'control', payload: { action, target }, roomId }
      try {
        await self.emitEvent('CONTROL_MESSAGE', { runtime: self, message, source: 'agent' })
      } catch (error) {
        self.logger.error({ ...src, error: textOfError(error) }, 'Control message failed')
      }
    },
    registerSendHandler: (source, handler) => void sendHandlers.set(source, handler),
    async sendMessageToTarget(target, content) {
      const handler = sendHandlers.get(String(target['source']))
      if (handler === undefined) throw new Error(`No send handler registered for source: ${String(target['source'])}`)
      await handler(self, target, content)
    },
  }
}

/** The message of whatever a plugin has thrown. */
export function textOfError(error: unknown): string {
  return errorMessage(error)
}
