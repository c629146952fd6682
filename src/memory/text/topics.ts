/**
 * Topics of everyday life and the words by which people speak of them. "Who watches the kids?" and "the childminder is off in August" share
 * no word, and word vectors hardly bring them together; both are about children. A word of a question is near any word of its topics.
 *
 * English only. A word may have several topics; one that is of no topic, or of nearly all, is left out. The lists are general knowledge,
 * as in a thesaurus: words are added by topic, never because a question of some data set fails without them.
 */
import { stem } from './terms.ts'

const lists: Readonly<Record<string, string>> = {
  child:
    'child children kid kids son daughter baby babies toddler infant newborn boy girl teen teenager youngest eldest oldest twins stepson stepdaughter childminder nanny babysitter sitter nursery kindergarten daycare creche childcare school pupil playground bedtime toy toys',
  parent: 'parent mother father mum mam mom mama dad papa mummy daddy stepmother stepfather in-law',
  partner:
    'husband wife spouse partner girlfriend boyfriend fiance fiancee married marry marriage wedding anniversary honeymoon separated divorce divorced engaged engagement single couple relationship dating bride groom',
  sibling: 'brother sister sibling twin twins',
  elders: 'grandmother grandfather grandma grandpa granny grandad nana grandparent grandchild granddaughter grandson grandchildren',
  family:
    'family relative relatives aunt uncle cousin niece nephew mother father mum mam mom dad parent brother sister sibling son daughter husband wife grandmother grandfather grandma grandpa grandchild in-law',
  friend: 'friend mate buddy pal roommate flatmate housemate',
  neighbour: 'neighbour neighbor neighbourhood next-door',
  job: 'job work career occupation profession professional employ employer employee company firm office colleague coworker boss manager salary retire retired retirement shift shifts hire hired resign quit freelance',
  boss: 'boss manager supervisor superior chief head lead leader director consultant report',
  money:
    'money pay paid payment cost costs price fee charge salary wage earn income raise rise bonus rent mortgage loan interest rate bank account tax taxes invoice bill budget owe debt afford expensive cheap euro euros dollar dollars pound pounds worth savings sell sold buy bought',
  home: 'home house flat apartment live living reside address street floor town city village neighbourhood move moved landlord tenant lease rent mortgage place room residence suburb',
  house:
    'boiler heating roof roofer plumber electrician leak water pipe radiator chimney repair repairs broken handyman builder kitchen bathroom attic cellar basement',
  garden:
    'garden yard lawn soil ground clay plant plants planting grow shrub shrubs flower flowers vegetable vegetables tree trees hedge bed beds compost greenhouse weed weeds prune dig',
  health:
    'health healthy ill illness sick sickness disease condition disorder disability diagnosed diagnosis assessed symptom doctor physician gp hospital clinic nurse ward surgery surgeon operation operated medicine medication medical pill pills tablet tablets dose drug prescription treatment therapy therapist dentist pain hurt injury injured broke wound blood allergic allergy asthma diabetes cancer dementia depression anxiety checkup check-up patient heal recover suffer',
  allergy: 'allergic allergy intolerant intolerance coeliac celiac gluten lactose reaction rash nuts peanuts shellfish penicillin',
  sight: 'eye eyes eyesight sight vision glasses spectacles lenses blind font optician',
  food: 'food eat ate eating diet vegetarian vegan meat fish shellfish seafood chicken beef pork cheese milk egg eggs dairy wheat gluten flour bread meal lunch breakfast dinner supper snack dish restaurant menu cook cooking cuisine recipe dessert cake bake baking taste tastes hungry kitchen fruit vegetables spice spicy herb sweet',
  drink:
    'drink drinks drinking alcohol alcoholic wine beer whisky gin pub bar sober teetotal coffee tea cuppa sugar milk espresso cocktail',
  exercise:
    'exercise workout fitness fit gym train training run running runner jog jogging race marathon walk walking hike hiking swim swimming cycle cycling yoga pilates squats weights sport sports football tennis hurling rugby basketball pace',
  travel:
    'travel trip journey holiday holidays vacation tour flight fly flying plane airport airline train ticket hotel hostel visit abroad passport visa luggage suitcase pack packing camping campervan ferry cruise route',
  vehicle:
    'car drive driving driver vehicle van motorbike motorcycle bike bicycle cycle truck tyre tyres garage mileage petrol diesel licence commute ride',
  contact: 'phone telephone mobile call ring number email e-mail mail letter reach contact text signal whatsapp message talk speak spoken',
  access:
    'password passcode key keys code pin login log credential credentials secret lock locked unlock enter entrance door wifi wi-fi network internet online router connect',
  pet: 'pet pets dog puppy cat kitten rabbit hamster hen hens chicken chickens parrot budgie goldfish horse pony vet breed animal',
  study:
    'study studying student learn learning lesson lessons course class classes degree university college school master masters phd thesis dissertation exam exams tutor teacher teach teaching subject training homework practise practice',
  tongue:
    'language languages speak fluent english german french spanish italian portuguese dutch polish japanese chinese korean russian arabic irish welsh greek turkish swedish vocabulary words translate',
  music:
    'music musical instrument play piano guitar violin viola bass cello drum drums flute trumpet saxophone clarinet oboe bassoon harp organ sing singing singer choir alto soprano tenor band orchestra concert gig rehearse rehearsal song tune tuner',
  club: 'club society association committee chair secretary treasurer member membership volunteer office role council',
  birth: 'birth birthday born age aged old',
  insurance: 'insurance insure insured insurer policy cover covers coverage claim premium liability',
  theft: 'stolen steal stole thief theft rob robbed robbery burglar burglary police',
  code: 'code coding program programming programmer script language framework library backend frontend service services microservice module repo repository monorepo package dependency lockfile npm pnpm yarn pip cargo maven python ruby go golang rust java javascript typescript php kotlin swift react vue linter formatter style tabs spaces',
  server:
    'server servers host hosts hosted hosting cloud prod production staging environment deploy deployed deployment release ship infrastructure cluster kubernetes docker aws azure hetzner port domain',
  data: 'database databases db sql postgres mysql sqlite query orm schema table migration redis mongodb backup',
  change: 'merge merges branch commit freeze release ship deploy feature main review pull',
  computer:
    'computer laptop notebook pc desktop mac macbook thinkpad windows linux ubuntu arch debian operating system os ram screen monitor keyboard qwerty dvorak mouse editor ide vim neovim emacs vscode shortcut shortcuts binding bindings',
  meeting: 'meeting meetings meet meets standup planning retro sprint call appointment schedule timetable calendar agenda weekly',
  client: 'client clients customer customers account contract invoice complaint unhappy churn leave',
  style:
    'style styled prefer preference spelling punctuation tone format formatting write writing texts font layout theme comma exclamation formal informal',
  gift: 'gift gifts present presents birthday christmas please love likes favourite favorite fond hobby',
  quarrel: 'quarrel argue argued argument fight fought estranged',
  event: 'wedding party celebration celebrate anniversary birthday ceremony reception guests invite invited invitation bride groom speech',
  post: 'mail post parcel package delivery deliver letter address courier',
}

const byTerm: ReadonlyMap<string, readonly string[]> = mapTerms()

function mapTerms(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const [topic, words] of Object.entries(lists)) {
    for (const word of words.split(' ')) {
      const term = stem(word)
      const held = found.get(term)
      if (held === undefined) found.set(term, [topic])
      else if (!held.includes(topic)) held.push(topic)
    }
  }
  return found
}

const none: readonly string[] = []

/** @param term as the index has it */
export function topicsOfTerm(term: string): readonly string[] {
  return byTerm.get(term) ?? none
}
