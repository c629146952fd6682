/** Definitions of `cluster`. */
import { addBudgetVerbs } from './budget-verbs.ts'
import { type AddVerbs, dryRunOption, examples, parseCount, plainVerb, verbGroup } from '../verb-parts.ts'

const json = ['--json', 'print one JSON object'] as const

export const addClusterVerbs: AddVerbs = (program, terminal, choose) => {
  const load = () => import('./cluster.ts')
  const cluster = verbGroup(
    program.command('cluster'),
    'one Oxbow over many machines: each user’s guest runs on one node, and any node leads to it',
    'oxbow cluster init',
    'oxbow cluster join',
    'oxbow cluster nodes',
  )
  plainVerb(
    cluster.command('init'),
    'make a cluster: its authority on this machine, and what it keeps in NATS; again, it changes nothing but settings',
  )
    .option(...json)
    .addHelpText('after', examples('oxbow cluster init'))
    .action((options) => choose(async () => (await load()).clusterInit(options, terminal)))
  plainVerb(cluster.command('join [token]'), 'run this machine’s node, until Ctrl+C; the first time with a token of `oxbow cluster invite`')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster join', 'oxbow cluster join oxbow-join-1.eyJ1cmwiOiJod…'))
    .action((token, options) => choose(async () => (await load()).clusterJoin(token, options, terminal)))
  addTrustVerbs(cluster, terminal, choose)
  plainVerb(cluster.command('status'), 'say how many nodes and guests there are, and whether all is well')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster status'))
    .action((options) => choose(async () => (await load()).clusterStatus(options, terminal)))
  plainVerb(cluster.command('nodes'), 'list the nodes, with their guests, room and labels')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow cluster nodes'))
    .action((options) => choose(async () => (await load()).clusterNodes(options, terminal)))
  plainVerb(cluster.command('where <user>'), 'say which node runs the guest of a user')
    .option('--wake', 'have it started where it does not run, and wait for it; adds a new user')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster where ann', 'oxbow cluster where ann --wake'))
    .action((user, options) => choose(async () => (await load()).clusterWhere(user, options, terminal)))
  plainVerb(cluster.command('move <user> <node>'), 'move the guest of a user to another node; open turns go on there')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster move ann node-2'))
    .action((user, node, options) => choose(async () => (await load()).clusterMove(user, node, options, terminal)))
  plainVerb(cluster.command('drain <node>'), 'move all guests of a node to the others, and give it no new ones')
    .option('--undo', 'let it take guests again')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster drain node-2', 'oxbow cluster drain node-2 --undo'))
    .action((node, options) => choose(async () => (await load()).clusterDrain(node, options, terminal)))
  plainVerb(cluster.command('remove <node>'), 'forget a node that has left for good, and revoke its certificate')
    .option('--force', 'also one that is up, because its machine was taken over')
    .option(...dryRunOption)
    .option(...json)
    .addHelpText('after', examples('oxbow cluster remove node-2', 'oxbow cluster remove node-2 --dry-run'))
    .action((node, options) => choose(async () => (await load()).clusterRemove(node, options, terminal)))
  addBudgetVerbs(cluster, terminal, choose)
  plainVerb(cluster.command('doctor'), 'check NATS, the store, and the way to every node')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow cluster doctor'))
    .action((options) => choose(async () => (await import('./doctor.ts')).clusterDoctor(options, terminal)))
  plainVerb(cluster.command('verify'), 'check every journal and lease of the cluster; it only reads, unless --load is given')
    .option('--user <user>', 'only this user')
    .option('--load <messages>', 'first send so many messages as the user cluster-verify, and move its guest about', parseCount(10_000, 1))
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow cluster verify', 'oxbow cluster verify --load 20'))
    .action((options) => choose(async () => (await import('./verify.ts')).clusterVerify(options, terminal)))
}

/** Whom the cluster trusts. */
const addTrustVerbs = (cluster: Parameters<AddVerbs>[0], terminal: Parameters<AddVerbs>[1], choose: Parameters<AddVerbs>[2]): void => {
  plainVerb(cluster.command('invite'), 'print a token with which one more machine joins within an hour')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster invite'))
    .action((options) => choose(async () => (await import('./trust.ts')).clusterInvite(options, terminal)))
  plainVerb(
    cluster.command('nats <folder>'),
    'write the certificate and the settings of a NATS server that takes nodes of this cluster alone',
  )
    .option('--host <name...>', 'names and addresses by which the nodes reach it', ['localhost', '127.0.0.1'])
    .option(...json)
    .addHelpText('after', examples('oxbow cluster nats /etc/nats --host nats-1 10.0.0.5'))
    .action((folder, options) => choose(async () => (await import('./trust.ts')).clusterNats(folder, options, terminal)))
}
