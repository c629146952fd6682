/** Outdoors, health, food. */
import { type Activity, detail, event } from './activity.ts'

export const activeActivities: readonly Activity[] = [
  {
    name: 'camping',
    group: 'outdoors',
    events: [
      event('went camping in the mountains with the family', 'go camping in the mountains', 'sleep in a tent at high altitude'),
      event('took the kids camping at the beach', 'take the kids camping at the beach', 'spend nights outside by the sea'),
      event('went camping in the redwood forest', 'go camping in the forest', 'stay among trees for the night'),
    ],
    details: [
      detail(
        'What was the best part?',
        'what we did while camping',
        'We {v}, the kids still talk about it.',
        'What did {S} do while camping?',
        'What happened on the trip of {S} in nature?',
        ['roasted marshmallows', 'watched the meteor shower', 'saw a bear with two cubs', 'swam in an ice-cold lake'],
      ),
      detail(
        'Did everything go well?',
        'what we forgot on the camping trip',
        'Almost, we forgot {v}.',
        'What did {S} forget on the camping trip?',
        'What was missing on the holiday of {S}?',
        ['the tent poles', 'the can opener', 'every single towel', 'the mosquito spray'],
      ),
    ],
    infer: ['Would {S} prefer a national park to a theme park?', 'Does {S} own a sleeping bag?'],
  },
  {
    name: 'hiking',
    group: 'outdoors',
    events: [
      event('hiked to a waterfall with my neighbours', 'hike to a waterfall', 'walk to falling water'),
      event('climbed the highest hill of the county', 'climb the highest hill', 'reach a summit'),
      event('got lost on a hiking trail for three hours', 'get lost on a hiking trail', 'lose the way on a walk'),
    ],
    details: [
      detail(
        'Where exactly was that?',
        'where I went hiking',
        'That was at {v}, the view is unreal.',
        'Where did {S} go hiking?',
        'At which place did {S} walk?',
        ['Fox Hollow', 'Whispering Falls', 'Mount Talkeetna', 'Eagle Ridge'],
      ),
      detail(
        'Did you see any animals?',
        'the animals on the hike',
        'Yes, we saw {v}!',
        'Which animals did {S} see on the hike?',
        'What wildlife did {S} come across?',
        ['a family of deer', 'a golden eagle', 'two foxes', 'a rattlesnake'],
      ),
    ],
    infer: ['Does {S} like nature?', 'Would {S} need good boots?'],
  },
  {
    name: 'running',
    group: 'health',
    events: [
      event('ran a charity race for mental health', 'run a charity race', 'take part in a run for a good cause'),
      event('bought new running shoes', 'buy running shoes', 'get gear for jogging'),
      event('signed up for a half marathon', 'sign up for a half marathon', 'register for a long distance'),
    ],
    details: [
      detail(
        'What was your time?',
        'how long the race took me',
        'I needed {v}, better than I hoped.',
        'How long did {S} need for the race?',
        'How fast is {S}?',
        ['two hours and four minutes', '28 minutes', 'just under an hour', '1:47'],
      ),
      detail(
        'What color are they?',
        'the color of the running shoes',
        'They are {v}, you cannot miss me.',
        'What color are the running shoes of {S}?',
        'What do the sneakers of {S} look like?',
        ['purple', 'neon yellow', 'black with pink laces', 'silver'],
      ),
    ],
    infer: ['Is {S} in good shape?', 'Would {S} donate for mental health?'],
  },
  {
    name: 'yoga',
    group: 'health',
    events: [
      event('started a beginner yoga course', 'start a yoga course', 'begin stretching lessons'),
      event('went on a yoga retreat', 'go on a yoga retreat', 'withdraw for meditation'),
      event('taught my mother some yoga', 'teach yoga to the mother', 'show a parent exercises'),
    ],
    details: [
      detail(
        'Which pose do you like best?',
        'my favorite yoga pose',
        'My favorite is {v}, I could stay there for ever.',
        'What is the favorite yoga pose of {S}?',
        'In which position does {S} relax?',
        ['the warrior', 'the tree', 'downward dog', 'the pigeon'],
      ),
      detail(
        'Has it helped?',
        'how yoga helped me',
        'It did, my {v} is so much better.',
        'How has yoga helped {S}?',
        'What has improved for {S} by exercise?',
        ['back pain', 'sleep', 'patience', 'balance'],
      ),
    ],
    infer: ['Does {S} care about inner calm?', 'Would {S} try a meditation app?'],
  },
  {
    name: 'baking',
    group: 'food',
    events: [
      event('baked a cake for the first time in years', 'bake a cake', 'make something sweet in the oven'),
      event('sold out at a bake sale', 'sell out at a bake sale', 'find buyers for pastry'),
      event('took a class for French pastry', 'take a class for French pastry', 'learn about croissants'),
    ],
    details: [
      detail(
        'What kind did you make?',
        'what I baked',
        'I went for {v}, with too much icing.',
        'What did {S} bake?',
        'Which dessert did {S} make?',
        ['a lemon drizzle', 'strawberry tarts', 'a three-layer chocolate cake', 'almond macarons'],
      ),
      detail(
        'Who was it for?',
        'who I baked for',
        'It was for {v}, a total surprise.',
        'For whom did {S} bake?',
        'Who got the dessert of {S}?',
        ['my niece Paula', 'the office', 'our 80-year-old neighbour', 'the firemen down the street'],
      ),
    ],
    infer: ['Would {S} like a stand mixer?', 'Does {S} have a sweet tooth?'],
  },
  {
    name: 'cooking',
    group: 'food',
    events: [
      event('joined a cooking show at the mall', 'join a cooking show', 'prepare food before an audience'),
      event('cooked dinner for my entire team', 'cook dinner for the team', 'feed the colleagues'),
      event('switched to a vegan diet', 'switch to a vegan diet', 'stop eating animal products'),
    ],
    details: [
      detail(
        'What was on the menu?',
        'what I cooked for dinner',
        'There was {v}, and nothing was left.',
        'What did {S} cook for dinner?',
        'Which meal did {S} serve?',
        ['grilled salmon with vegetables', 'coconut curry', 'stuffed peppers', 'a seafood paella'],
      ),
      detail(
        'Where do you get your recipes?',
        'where my recipes come from',
        'Mostly from {v}, to be honest.',
        'Where does {S} get recipes?',
        'What is the source of the meals of {S}?',
        ['an old notebook of my father', 'a Thai woman at the market', 'a podcast', 'the back of packages'],
      ),
    ],
    infer: ['Would {S} be a good host?', 'Is {S} open to new flavors?'],
  },
  {
    name: 'gardening',
    group: 'outdoors',
    events: [
      event('planted tomatoes behind the house', 'plant tomatoes', 'grow vegetables'),
      event('helped at the community garden', 'help at the community garden', 'dig together with others'),
      event('built a pond with my brother', 'build a pond', 'make a place for water behind the house'),
    ],
    details: [
      detail(
        'What else is growing there?',
        'what grows in the garden',
        'There are also {v} now.',
        'What grows in the garden of {S}?',
        'Which plants does {S} have?',
        ['sunflowers', 'three kinds of basil', 'a fig tree', 'peonies'],
      ),
      detail(
        'Any trouble with pests?',
        'the pests in the garden',
        'Yes, {v}, every single night.',
        'Which pests are in the garden of {S}?',
        'What bothers the plants of {S}?',
        ['slugs', 'the rabbits', 'a very fat pigeon', 'aphids'],
      ),
    ],
    infer: ['Does {S} have green fingers?', 'Would {S} like seeds as a present?'],
  },
  {
    name: 'surfing',
    group: 'outdoors',
    events: [
      event('tried surfing for the first time', 'try surfing', 'stand on a board in the waves'),
      event('got a surfboard from a friend', 'get a surfboard', 'receive sports gear for the sea'),
      event('spent a week at a surf camp', 'spend a week at a surf camp', 'have a holiday with waves'),
    ],
    details: [
      detail(
        'Were you scared?',
        'what I was scared of while surfing',
        'A bit, because of {v}.',
        'What was {S} scared of while surfing?',
        'What frightens {S} about the sea?',
        ['jellyfish', 'the current', 'the rocks', 'everyone watching'],
      ),
      detail(
        'Where was that?',
        'where I went surfing',
        'At {v}, the water is warm there.',
        'Where did {S} go surfing?',
        'Which coast did {S} visit?',
        ['Ericeira', 'Bondi', 'a bay near Biarritz', 'Tofino'],
      ),
    ],
    infer: ['Can {S} swim well?', 'Would {S} like to live near the ocean?'],
  },
]
