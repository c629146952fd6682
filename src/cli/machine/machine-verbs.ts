/** What this machine offers, what is made for it, and tools that run on it. */
import { maxToolMemoryMib, maxToolSeconds } from '../limits.ts'
import { type AddVerbs, collect, examples, guestVerb, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

export const addMachineVerbs: AddVerbs = (program, terminal, choose) => {
  const wasm = verbGroup(
    program.command('wasm'),
    'run tools of programs, in memory',
    'oxbow wasm run tool.wasm',
    'oxbow wasm run tool.js --input \'{"n": 3}\'',
  )
  userVerb(wasm.command('run <file>'), 'run a module or a JavaScript tool once, with nothing but the folders that are mounted')
    .option('--mount <dir>', 'a folder that the tool sees as /<its name>; dir:rw lets it write there', collect)
    .option('--input <json>', 'its input: on standard input of a command, argument of a function')
    .option('--function <name>', 'call this export with JSON instead of running a command')
    .option('--timeout <seconds>', 'most time it may take', parseCount(maxToolSeconds))
    .option('--memory <mib>', 'most memory it may take', parseCount(maxToolMemoryMib))
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples(
        'oxbow wasm run tool.wasm --mount ./data --mount ./out:rw',
        'oxbow wasm run plugin.wasm --function run --input \'{"text": "hello"}\'',
        'oxbow wasm run tool.mjs --input 3 --json',
      ),
    )
    .action((file, options) => choose(async () => (await import('./wasm.ts')).wasmRun(file, options, terminal)))

  const image = verbGroup(
    program.command('image'),
    'images for the container and the micro-VM tier',
    'oxbow image build',
    'oxbow image build --with ripgrep,git,python,bash',
    'oxbow image build --vm',
  )
  userVerb(image.command('build'), 'make the image that containers run, from programs of this machine; nothing is downloaded for them')
    .option('--with <names>', 'further programs: ripgrep, git, python, bash, browser')
    .option('--engine <name>', 'podman or docker instead of the configured one')
    .option('--vm', 'make what micro VMs start from; a kernel package of Debian is downloaded once')
    .option('--kernel <file>', 'with --vm: this package linux-image-…-cloud-amd64.deb, and no download')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow image build', 'oxbow image build --with ripgrep,git,python,bash', 'oxbow image build --vm'))
    .action((options) => choose(async () => (await import('./image.ts')).imageBuild(options, terminal)))

  guestVerb(program.command('status'), 'show what this machine offers, and what is missing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow status'))
    .action((options) => choose(async () => (await import('./status.ts')).status(options, terminal)))
  userVerb(program.command('doctor'), 'try out what this machine offers, and say how to get what is missing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow doctor', 'oxbow doctor --json'))
    .action((options) => choose(async () => (await import('./doctor.ts')).doctor(options, terminal)))
}
