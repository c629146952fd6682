/** Channels: the person's agent where people are. Without a configured channel nothing of it is loaded. */
import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import { access } from '../access/service.ts'
import { channelsConfig, notifyConfig } from './config.ts'
import type { Channels } from './open-channels.ts'

interface Needs {
  readonly runs: typeof runs
  readonly access: typeof access
  readonly [name: string]: Service
}

/** Who may speak through a channel, which session a chat is, and what is to be delivered. The process next to the guest does the rest. */
export const channels: Service<Channels, Needs> = {
  name: 'channels',
  config: [channelsConfig, notifyConfig],
  configFault: async (config) => (await import('./notices/notify-fault.ts')).notifyFault(config),
  needs: { runs, access },
  events: ['channel', 'identity'],
  neverPassedOn: ['channel.use', 'channel.write'],
  wakes: ['system/channels'],
  verbs: {
    words: { 'Talk:': { channel: 'reach your agent from Telegram and other places' } },
    load: async () => (await import('./channel-verbs.ts')).channelVerbs,
  },
  async calls(core, self) {
    const [{ channelCalls }, { processCalls }, { hookCalls }] = await Promise.all([
      import('./channel-calls.ts'),
      import('./process-calls.ts'),
      import('./hooks/hook-calls.ts'),
    ])
    return [...channelCalls(core, self), ...processCalls(core, self), ...hookCalls(core, self)]
  },
  async open(core, ports) {
    const { openChannels } = await import('./open-channels.ts')
    const port = await openChannels(core, await ports.runs())
    return { port, recover: port.begin, close: port.end }
  },
}
