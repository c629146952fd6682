/** Art, music, reading, play. */
import { type Activity, detail, event } from './activity.ts'

export const artActivities: readonly Activity[] = [
  {
    name: 'pottery',
    group: 'art',
    events: [
      event('signed up for a pottery class at the community centre', 'sign up for a pottery class', 'start taking ceramics lessons'),
      event('went to a pottery workshop with the kids', 'go to a pottery workshop', 'work with clay together with the children'),
      event('finally fired my first piece in a real kiln', 'fire a first piece in the kiln', 'finish a ceramic work'),
    ],
    details: [
      detail(
        'What did you make?',
        'what I made in the pottery class',
        'I made {v}, and it did not crack!',
        'What did {S} make in the pottery class?',
        'Which object of clay did {S} create?',
        ['a bowl with a blue glaze', 'a dog-shaped cup', 'a tall vase with leaves on it', 'six tiny plates'],
      ),
      detail(
        'What do you like about it?',
        'what I like about pottery',
        'It is {v}, really.',
        'What does {S} like about pottery?',
        'Why does {S} enjoy ceramics?',
        ['the feeling of wet earth', 'that my phone stays in the bag', 'how slow everything gets'],
      ),
    ],
    infer: ['Would {S} enjoy a ceramics museum?', 'Could {S} give handmade presents?'],
  },
  {
    name: 'painting',
    group: 'art',
    events: [
      event('painted a sunrise over the lake', 'paint a sunrise', 'make a picture of the dawn'),
      event('showed two paintings at the local art show', 'show paintings at the art show', 'take part in an exhibition'),
      event('sold a watercolor to a stranger', 'sell a watercolor', 'earn money with a picture'),
    ],
    details: [
      detail(
        'What inspired you?',
        'what inspired the painting',
        'It was {v} that inspired me.',
        'What inspired the painting of {S}?',
        'Where does {S} get ideas for pictures?',
        ['a walk by the harbour', 'an old photo of my grandmother', 'the light after the storm', 'a poem about herons'],
      ),
      detail(
        'Which colors did you use?',
        'the colors of the painting',
        'Mostly {v}, layer over layer.',
        'Which colors did {S} use in the painting?',
        'In what tones does {S} paint?',
        ['teal and orange', 'deep purple', 'ochre with a bit of white', 'greens and gold'],
      ),
    ],
    infer: ['Would {S} be interested in a gallery membership?', 'Is {S} a creative person?'],
  },
  {
    name: 'the violin',
    group: 'art',
    events: [
      event('started violin lessons again', 'start violin lessons again', 'go back to learning an instrument'),
      event('played the violin at a wedding', 'play the violin at a wedding', 'perform music at a marriage'),
      event('bought a used violin online', 'buy a used violin', 'acquire a string instrument'),
    ],
    details: [
      detail(
        'What are you playing at the moment?',
        'the piece for my violin',
        'Right now {v}, over and over.',
        'Which piece does {S} play on the violin?',
        'What music is {S} practising?',
        ['a Vivaldi concerto', 'an Irish reel', 'the theme of a video game', 'Bach, very slowly'],
      ),
      detail(
        'Who taught you?',
        'who taught me the violin',
        'My teacher was {v}, who never smiled.',
        'Who taught {S} the violin?',
        'From whom did {S} learn music?',
        ['Mr. Albrecht', 'my aunt Delphine', 'a retired conductor', 'Miss Okafor'],
      ),
    ],
    infer: ['Would {S} enjoy a classical concert?', 'Can {S} read sheet music?'],
  },
  {
    name: 'reading',
    group: 'leisure',
    events: [
      event('finished a book that my book club picked', 'finish the book of the book club', 'complete a novel with the reading group'),
      event('bought a whole shelf of fantasy novels', 'buy a shelf of fantasy novels', 'get many books'),
      event('met an author at a signing', 'meet an author at a signing', 'see a writer in person'),
    ],
    details: [
      detail(
        'Which book was it?',
        'the book that I finished',
        'It was "{v}" and I could not put it down.',
        'Which book did {S} finish?',
        'What has {S} read?',
        ['The Lantern Keeper', 'Salt Roads', 'A Winter Without Wolves', 'Becoming Nicole', 'The Cartographer'],
      ),
      detail(
        'What was it about?',
        'what that book was about',
        'It is about {v}.',
        'What was the book of {S} about?',
        'What is the plot of what {S} read?',
        ['a family of clockmakers', 'a girl who talks to rivers', 'two sisters in a war', 'the last whale hunter'],
      ),
    ],
    infer: ['Would {S} like a voucher for a bookshop?', 'Does {S} know about literature?'],
  },
  {
    name: 'photography',
    group: 'art',
    events: [
      event('got a new camera for my birthday', 'get a new camera', 'receive photo equipment'),
      event('won third prize in a photo contest', 'win a prize in the photo contest', 'succeed with a picture in a competition'),
      event('took pictures of the fireworks', 'take pictures of the fireworks', 'photograph a celebration at night'),
    ],
    details: [
      detail(
        'What do you like to photograph?',
        'what I like to photograph',
        'I always end up with {v}.',
        'What does {S} like to photograph?',
        'What are the pictures of {S} of?',
        ['rusty doors', 'birds in flight', 'my neighbours on their balconies', 'foggy bridges'],
      ),
      detail(
        'Which camera is it?',
        'the camera',
        'It is {v}, heavier than I thought.',
        'Which camera does {S} have?',
        'What equipment does {S} take pictures with?',
        ['a Nikon from the eighties', 'a mirrorless Fuji', "a Leica that was my uncle's"],
      ),
    ],
    infer: ['Would {S} like to travel for pictures?', 'Does {S} own lenses?'],
  },
  {
    name: 'board games',
    group: 'leisure',
    events: [
      event('hosted a board game night', 'host a board game night', 'invite people to play'),
      event('won a chess tournament at the library', 'win a chess tournament', 'come first in a contest of the mind'),
      event('finished a puzzle of two thousand pieces', 'finish a puzzle', 'complete a jigsaw'),
    ],
    details: [
      detail(
        'What did you play?',
        'what we played at the game night',
        'We played {v} until two in the morning.',
        'What did {S} play at the game night?',
        'Which games does {S} know?',
        ['Catan', 'Ticket to Ride', 'a murder mystery', 'Dominion'],
      ),
      detail(
        'Who came along?',
        'who came to the game night',
        '{v} came, and brought far too many snacks.',
        'Who came to the game night of {S}?',
        'Who are the friends of {S}?',
        ['Tobias and Renée', 'my colleague Anil', 'the twins from next door', 'Marisol'],
      ),
    ],
    infer: ['Is {S} competitive?', 'Would {S} enjoy an evening with cards?'],
  },
  {
    name: 'video games',
    group: 'leisure',
    events: [
      event('won my second video game tournament', 'win a video game tournament', 'come first in an esports event'),
      event('started to stream my games', 'start to stream games', 'broadcast play on the internet'),
      event('built a new gaming PC', 'build a gaming PC', 'put a computer together'),
    ],
    details: [
      detail(
        'Which game was it?',
        'the game of that tournament',
        'It was {v}, my favorite since school.',
        'Which game did {S} win the tournament in?',
        'What is the favorite game of {S}?',
        ['Counter-Strike', 'Street Fighter', 'Rocket League', 'an old Zelda'],
      ),
      detail(
        'What will you do with the prize?',
        'the prize money',
        'I will spend it on {v}.',
        'What does {S} want to do with the prize money?',
        'What does {S} spend winnings on?',
        ['a better chair', 'my savings account', 'a trip for the team', 'a vet bill'],
      ),
    ],
    infer: ['Is {S} good with computers?', 'Does {S} have fast reflexes?'],
  },
  {
    name: 'dancing',
    group: 'art',
    events: [
      event('opened my own dance studio', 'open a dance studio', 'found a business for movement'),
      event('danced in a competition with my crew', 'dance in a competition', 'perform on a stage with a group'),
      event('joined a salsa evening', 'join a salsa evening', 'try Latin steps'),
    ],
    details: [
      detail(
        'What style is it?',
        'the style that I dance',
        'It is {v}, that is closest to my heart.',
        'Which dance style does {S} prefer?',
        'How does {S} move to music?',
        ['contemporary', 'hip-hop', 'Argentine tango', 'swing'],
      ),
      detail(
        'What does the place look like?',
        'the look of the dance studio',
        'There is {v}, and light from both sides.',
        'What does the dance studio of {S} look like?',
        'How is the room of {S} furnished?',
        ['a Marley floor', 'a wall of mirrors', 'a red velvet couch', 'a chandelier from a theatre'],
      ),
    ],
    infer: ['Is {S} physically fit?', 'Would {S} like tickets for a ballet?'],
  },
]
