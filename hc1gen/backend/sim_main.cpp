// The simulated chip as a process: commands on standard input, answers on standard output, one line each.
//
//   reset                      -> ok
//   prompt LIMIT TEMPERATURE SEED SPECULATE TOKEN ...
//                              -> ok               resets nothing; the tokens are taken by the chip
//   next                       -> token TOKEN LAST REASON CLOCKS OUTCOME PROPOSAL
//   counters                   -> counters DRAFTED ACCEPTED REJECTED FLUSHED    tokens since reset
//   cycles                     -> cycles N         clocks since the process began
//
// Without a draft, SPECULATE means nothing, OUTCOME and PROPOSAL are 0, and there are no counters. The first line,
// before any command, is `chip TOKEN_BITS DRAFT` with DRAFT 0 or 1. A request that cannot be met is answered by
// `error ...`. The clock stands still between commands. Verilator writes a double underscore as `___05F`.
//
// payloads.h is written for each chip: the fields of its words, and the macro DRAFT where it has a draft.

#include <cstdint>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "Vchip.h"
#include "payloads.h"
#include "verilated.h"

namespace {

#ifdef DRAFT
constexpr bool kDraft = true;
#else
constexpr bool kDraft = false;
#endif

struct Settings {
    uint64_t limit = 0, temperature = 0, seed = 0, speculate = 0;
};

class Chip {
public:
    Chip(VerilatedContext* context, uint64_t patience) : top_{context}, patience_{patience} { reset(); }

    uint64_t cycles() const { return cycles_; }

    std::string reset() {
        top_.prompt___05Fvalid = 0;
        top_.out___05Fready = 0;
        set({});
        top_.rst = 1;
        for (int i = 0; i < 2; ++i) clock();
        top_.rst = 0;
        return "ok";
    }

    std::string prompt(const Settings& settings, const std::vector<uint64_t>& tokens) {
        set(settings);
        for (size_t i = 0; i < tokens.size(); ++i) {
            const bool last = i + 1 == tokens.size();
            top_.prompt___05Fpayload = prompt_payload::token.put(tokens[i]) | prompt_payload::last.put(last);
            top_.prompt___05Fvalid = 1;
            const bool taken = clock_until([this] { return top_.prompt___05Fready; });
            top_.prompt___05Fvalid = 0;
            if (!taken) return hung("to take prompt token " + std::to_string(i));
        }
        return "ok";
    }

    std::string next() {
        uint64_t payload = 0, clocks = 0;
        top_.out___05Fready = 1;
        const bool given = clock_until([&, this] {
            payload = top_.out___05Fpayload;
            clocks = top_.clocks;
            return top_.out___05Fvalid;
        });
        top_.out___05Fready = 0;
        if (!given) return hung("for an output token");
        std::ostringstream line;
        line << "token " << out_payload::token.get(payload) << ' ' << out_payload::last.get(payload) << ' '
             << out_payload::reason.get(payload) << ' ' << clocks << ' ';
#ifdef DRAFT
        line << out_payload::outcome.get(payload) << ' ' << out_payload::proposal.get(payload);
#else
        line << "0 0";
#endif
        return line.str();
    }

    std::string counters() {
#ifdef DRAFT
        settle();
        std::ostringstream line;
        line << "counters " << top_.drafted << ' ' << top_.accepted << ' ' << top_.rejected << ' ' << top_.flushed;
        return line.str();
#else
        return "error a chip without a draft has no counters";
#endif
    }

private:
    void set(const Settings& settings) {
        top_.limit = settings.limit;
        top_.temperature = settings.temperature;
        top_.seed = settings.seed;
#ifdef DRAFT
        top_.speculate = settings.speculate;
#endif
    }

    // Clock up to and including the edge at which `seen` holds; false where patience ends first.
    template <typename Condition>
    bool clock_until(Condition seen) {
        for (uint64_t i = 0; i < patience_ && !Verilated::gotFinish(); ++i) {
            settle();
            const bool now = seen();
            edge();
            if (now) return true;
        }
        return false;
    }

    void settle() {
        top_.clk = 0;
        top_.eval();
    }

    void edge() {
        top_.clk = 1;
        top_.eval();
        ++cycles_;
    }

    void clock() {
        settle();
        edge();
    }

    std::string hung(const std::string& what) const {
        return "error waited " + std::to_string(patience_) + " clocks " + what;
    }

    Vchip top_;
    uint64_t patience_;
    uint64_t cycles_ = 0;
};

std::string answer(Chip& chip, const std::string& command) {
    std::istringstream words{command};
    std::string name;
    words >> name;
    if (name == "reset") return chip.reset();
    if (name == "next") return chip.next();
    if (name == "cycles") return "cycles " + std::to_string(chip.cycles());
    if (name == "counters") return chip.counters();
    if (name == "prompt") {
        Settings settings;
        uint64_t token = 0;
        std::vector<uint64_t> tokens;
        words >> settings.limit >> settings.temperature >> settings.seed >> settings.speculate;
        while (words >> token) tokens.push_back(token);
        return chip.prompt(settings, tokens);
    }
    return "error unknown command " + name;
}

}  // namespace

int main(int argc, char** argv) {
    const auto context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    if (argc < 2) {
        std::cerr << "usage: " << argv[0] << " CLOCKS_WITHOUT_A_TOKEN\n";
        return 2;
    }
    Chip chip{context.get(), std::stoull(argv[1])};
    std::cout << "chip " << prompt_payload::token.bits << ' ' << kDraft << std::endl;
    for (std::string command; std::getline(std::cin, command);) std::cout << answer(chip, command) << std::endl;
    return 0;
}
