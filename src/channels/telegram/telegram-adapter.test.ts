import { describeChannelContract } from '../channel-contract.ts'
import { startTelegramFake } from '../../../test/channels/fakes/telegram.ts'
import { openTelegram } from './telegram-adapter.ts'

describeChannelContract('telegram', async () => ({ fake: await startTelegramFake(), open: openTelegram }))
