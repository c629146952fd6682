import { describeKillContract } from '../../src/sandbox/kill-contract.ts'
import { killBubblewrap, processLeftovers } from './process-leftovers.ts'

describeKillContract('process', { limits: { tier: 'process' }, leftovers: processLeftovers, killLauncher: killBubblewrap })
