# SRAM macros of the default chip for OpenROAD-flow-scripts: make DESIGN_CONFIG=.../flow/orfs/config.mk MEMORIES=$PWD/macros.mk
# flow/orfs/memories.mk names every memory of a chip with its size. Each needs the views of its macros, and a Verilog
# module of its own name (_V) that instantiates them, unless a macro of exactly that size has that name.
SRAM = $(HOME)/sram

KV_CACHE_LEF = $(SRAM)/kv_cache.lef
KV_CACHE_LIB = $(SRAM)/kv_cache.lib
KV_CACHE_GDS = $(SRAM)/kv_cache.gds

SCORE_BUFFER_LEF = $(SRAM)/score_buffer.lef
SCORE_BUFFER_LIB = $(SRAM)/score_buffer.lib
SCORE_BUFFER_GDS = $(SRAM)/score_buffer.gds

LOGIT_BUFFER_LEF = $(SRAM)/logit_buffer.lef
LOGIT_BUFFER_LIB = $(SRAM)/logit_buffer.lib
LOGIT_BUFFER_GDS = $(SRAM)/logit_buffer.gds
