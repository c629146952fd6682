/** Definitions of `cluster`. */
import { type AddVerbs, dryRunOption, examples, plainVerb, verbGroup } from '../verb-parts.ts'

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
  plainVerb(cluster.command('init'), 'make what a cluster keeps in NATS; again, it changes nothing but settings')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster init'))
    .action((options) => choose(async () => (await load()).clusterInit(options, terminal)))
  plainVerb(cluster.command('join'), 'run this machine’s node, until Ctrl+C')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster join'))
    .action((options) => choose(async () => (await load()).clusterJoin(options, terminal)))
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
  plainVerb(cluster.command('remove <node>'), 'forget a node that has left for good')
    .option(...dryRunOption)
    .option(...json)
    .addHelpText('after', examples('oxbow cluster remove node-2', 'oxbow cluster remove node-2 --dry-run'))
    .action((node, options) => choose(async () => (await load()).clusterRemove(node, options, terminal)))
  plainVerb(cluster.command('doctor'), 'check NATS, the store, and the way to every node')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow cluster doctor'))
    .action((options) => choose(async () => (await import('./doctor.ts')).clusterDoctor(options, terminal)))
}
